// SPDX-License-Identifier: Apache-2.0
#include "gateway/cli/change_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <limits>

#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::cli {
namespace {

using nbs::wire::ChangedExtent;
using nbs::wire::SnapshotDiffRequest;

class Table final : public ChangeList {
 public:
  explicit Table(std::ostream& out) : out_(out) {}

  void begin(const SnapshotDiffRequest&) override {
    out_ << fmt::format("{:>16}  {:>16}  {}\n", "OFFSET", "LENGTH", "HOLE");
  }
  void add(const ChangedExtent& extent) override {
    out_ << fmt::format("{:>16}  {:>16}  {}\n", extent.offset(), extent.length(),
                        extent.hole() ? "yes" : "no");
    changed_ += extent.length();
    ++extents_;
  }
  void end(std::uint64_t capacity) override {
    out_ << fmt::format("{} of {} changed, in {} extents\n", format_size(changed_),
                        format_size(capacity), extents_);
  }

 private:
  std::ostream& out_;
  std::uint64_t changed_ = 0;
  std::uint64_t extents_ = 0;
};

class Json final : public ChangeList {
 public:
  explicit Json(std::ostream& out) : out_(out) {}

  void begin(const SnapshotDiffRequest& request) override {
    auto quoted = [](const std::string& text) {
      return boost::json::serialize(boost::json::string(text));
    };
    out_ << fmt::format(R"({{"lun":{},"from":{},"to":{},"extents":[)", quoted(request.lun()),
                        quoted(request.from()), quoted(request.to()));
  }
  void add(const ChangedExtent& extent) override {
    out_ << fmt::format(R"({}{{"offset":{},"length":{},"hole":{}}})", first_ ? "" : ",",
                        extent.offset(), extent.length(), extent.hole());
    first_ = false;
    changed_ += extent.length();
  }
  void end(std::uint64_t capacity) override {
    out_ << fmt::format("],\"capacity\":{},\"changed\":{}}}\n", capacity, changed_);
  }

 private:
  std::ostream& out_;
  bool first_ = true;
  std::uint64_t changed_ = 0;
};

class Bitmap final : public ChangeList {
 public:
  Bitmap(std::ostream& out, std::uint64_t granularity) : out_(out), granularity_(granularity) {}

  void begin(const SnapshotDiffRequest&) override {}
  void add(const ChangedExtent& extent) override {
    auto first = extent.offset() / granularity_;
    auto last = (extent.offset() + extent.length() - 1) / granularity_;
    for (auto block = first; block <= last;) {
      advance(block / 8);
      if (block % 8 == 0 && last - block >= 8) {
        fill(0xff, (last - block) / 8);
        block = byte_ * 8;
      } else {
        current_ |= static_cast<unsigned char>(1U << (block % 8));
        ++block;
      }
    }
  }
  void end(std::uint64_t capacity) override {
    auto blocks = capacity / granularity_ + (capacity % granularity_ != 0 ? 1 : 0);
    if (auto bytes = (blocks + 7) / 8; bytes > byte_) advance(bytes);
  }

 private:
  /// Everything before byte `to` is written.
  void advance(std::uint64_t to) {
    if (to == byte_) return;
    fill(std::exchange(current_, 0), 1);
    fill(0, to - byte_);
  }
  void fill(unsigned char value, std::uint64_t count) {
    std::array<char, 4096> same;
    same.fill(static_cast<char>(value));
    byte_ += count;
    for (; count != 0; count -= std::min<std::uint64_t>(count, same.size()))
      out_.write(same.data(), static_cast<std::streamsize>(std::min(count, same.size())));
  }

  std::ostream& out_;
  const std::uint64_t granularity_;
  std::uint64_t byte_ = 0;     ///< the one that is being put together
  unsigned char current_ = 0;  ///< its bits so far
};

}  // namespace

std::unique_ptr<ChangeList> change_table(std::ostream& out) { return std::make_unique<Table>(out); }

std::unique_ptr<ChangeList> change_json(std::ostream& out) { return std::make_unique<Json>(out); }

std::unique_ptr<ChangeList> change_bitmap(std::ostream& out, std::uint64_t granularity) {
  return std::make_unique<Bitmap>(out, granularity);
}

Outcome<> ChangeJoiner::add(const ChangedExtent& extent) {
  auto end = pending_.offset() + pending_.length();
  if (extent.length() == 0 || extent.offset() < end ||
      extent.length() > std::numeric_limits<std::int64_t>::max() - extent.offset())
    return failure(
        Errc::protocol,
        fmt::format("the gateway's list of changes is out of order at byte {}", extent.offset()),
        "use a caisson of the same version as caissond");
  if (pending_.length() != 0 && extent.offset() == end && extent.hole() == pending_.hole()) {
    pending_.set_length(pending_.length() + extent.length());
    return {};
  }
  flush();
  pending_ = extent;
  return {};
}

void ChangeJoiner::flush() {
  if (pending_.length() != 0) list_.add(pending_);
}

void ChangeJoiner::end(std::uint64_t capacity) {
  flush();
  list_.end(capacity);
}

}  // namespace caisson::cli

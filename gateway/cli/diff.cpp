// SPDX-License-Identifier: Apache-2.0
#include "gateway/cli/diff.hpp"

#include <fmt/format.h>

#include <bit>
#include <filesystem>
#include <fstream>

#include "gateway/cli/change_list.hpp"
#include "gateway/cli/progress_bar.hpp"
#include "nbs/wire/control.pb.h"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/names.hpp"

namespace caisson::cli {
namespace {

constexpr std::uint64_t kGranularity = 4096;
constexpr std::uint64_t kLeast = 512;
constexpr std::uint64_t kMost = 1ULL << 30;

std::string typed_or(const Typed& typed, std::string_view name, std::string_view otherwise) {
  auto found = typed.find(name);
  return found != typed.end() ? found->second.front() : std::string(otherwise);
}

Outcome<std::uint64_t> granularity_of(const Typed& typed) {
  auto found = typed.find("--granularity");
  if (found == typed.end()) return kGranularity;
  auto bytes = parse_size(found->second.front());
  if (bytes && *bytes >= kLeast && *bytes <= kMost && std::has_single_bit(*bytes)) return *bytes;
  return failure(Errc::invalid_argument,
                 fmt::format("--granularity: '{}' is none", found->second.front()),
                 "give a power of two from 512 to 1G, such as 64K");
}

/// A file that has its name once all of it is there; an older one keeps it until then.
class NewFile {
 public:
  explicit NewFile(std::string path) : path_(std::move(path)), partial_(path_ + ".partial") {}
  ~NewFile() {
    std::error_code ignored;
    if (stream_.is_open()) std::filesystem::remove(partial_, ignored);
  }

  Outcome<> open() {
    std::error_code error;
    auto there = std::filesystem::status(path_, error);
    if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there))
      return failure(Errc::invalid_argument, fmt::format("'{}' is no ordinary file", path_),
                     "name another, or leave --to out and direct standard output there");
    stream_.open(partial_, std::ios::binary | std::ios::trunc);
    return stream_ ? Outcome<>() : trouble("cannot be written");
  }
  Outcome<> publish() {
    stream_.flush();
    if (!stream_) return trouble("could not be written to its end");
    std::error_code error;
    std::filesystem::rename(partial_, path_, error);
    if (error) return trouble("could not be put in place: " + error.message());
    stream_.close();
    return {};
  }
  std::ostream& stream() { return stream_; }

 private:
  Outcome<> trouble(std::string_view what) const {
    return failure(Errc::io_error, fmt::format("'{}' {}", path_, what),
                   "look at the room and the permissions in its directory");
  }

  const std::string path_;
  const std::string partial_;
  std::ofstream stream_;
};

Outcome<> ask_all(Paging& paging, nbs::wire::SnapshotDiffRequest& request, ChangeList& list,
                  ProgressBar& bar) {
  ChangeJoiner joiner(list);
  for (bool first = true;; first = false) {
    nbs::wire::SnapshotDiffReply page;
    if (auto asked = paging.ask(request, page); !asked) return asked;
    if (first) list.begin(request);
    for (const auto& extent : page.extents())
      if (auto added = joiner.add(extent); !added) return added;
    bar.step(page.cursor(), page.capacity());
    if (page.done()) {
      joiner.end(page.capacity());
      return {};
    }
    if (page.cursor() <= request.cursor())
      return failure(Errc::protocol, "the gateway's list of changes does not go on",
                     "use a caisson of the same version as caissond");
    request.set_cursor(page.cursor());
  }
}

}  // namespace

Outcome<> check_diff(const Typed& typed, google::protobuf::Message&) {
  if (typed.contains("--granularity") && typed_or(typed, "--format", "") != "bitmap")
    return failure(Errc::invalid_argument, "--granularity is one of bitmaps",
                   "give --format bitmap as well, or leave it out");
  if (auto bytes = granularity_of(typed); !bytes) return bytes.error();
  return {};
}

Outcome<> write_diff(Paging& paging) {
  auto& request = dynamic_cast<nbs::wire::SnapshotDiffRequest&>(paging.request);
  const bool to_file = paging.typed.contains("--to");
  const auto format = typed_or(paging.typed, "--format", paging.json ? "json" : "table");
  if (format == "bitmap" && !to_file && paging.out_is_terminal)
    return failure(Errc::invalid_argument, "a bitmap is nothing for a terminal",
                   "name a file with --to");
  NewFile file(typed_or(paging.typed, "--to", ""));
  if (to_file)
    if (auto opened = file.open(); !opened) return opened;
  auto& out = to_file ? file.stream() : paging.out;
  auto list = format == "json"     ? change_json(out)
              : format == "bitmap" ? change_bitmap(out, *granularity_of(paging.typed))
                                   : change_table(out);
  {
    ProgressBar bar(paging.err, paging.err_is_terminal && to_file);
    if (auto asked = ask_all(paging, request, *list, bar); !asked) return asked;
  }
  return to_file ? file.publish() : Outcome<>();
}

}  // namespace caisson::cli

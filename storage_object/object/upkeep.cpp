// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/upkeep.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "storage_object/base/executor.hpp"
#include "storage_object/block/throttle_device.hpp"

namespace caisson::object {

using block::BlockDevice;
using block::IoOp;
using block::IoRequest;
using Kind = UpkeepRequest::Kind;

bool Upkeep::begin(const UpkeepRequest& request) noexcept {
  auto target = request.kind == Kind::format ? UpkeepState::formatting : UpkeepState::sanitizing;
  auto before = state();
  do {
    if (is_under_way(before)) return false;
    if (before == UpkeepState::sanitize_failed && target == UpkeepState::formatting) return false;
  } while (!state_.compare_exchange_weak(before, target));
  progress_.store(0);
  may_be_left_.store(request.may_be_left);
  return true;
}

void Upkeep::advance(std::uint64_t done, std::uint64_t of) noexcept {
  auto part = of == 0 ? 0.0 : static_cast<double>(done) / static_cast<double>(of);
  progress_.store(static_cast<std::uint16_t>(std::min(part * 65536.0, 65535.0)));
}

void Upkeep::end(bool failed) noexcept {
  auto formatting = state() == UpkeepState::formatting;
  state_.store(!failed      ? UpkeepState::none
               : formatting ? UpkeepState::format_failed
                            : UpkeepState::sanitize_failed);
}

bool Upkeep::begin_restore() noexcept {
  auto expected = UpkeepState::none;
  if (!state_.compare_exchange_strong(expected, UpkeepState::restoring)) return false;
  progress_.store(0);
  return true;
}

void Upkeep::end_restore() noexcept {
  auto expected = UpkeepState::restoring;
  state_.compare_exchange_strong(expected, UpkeepState::none);
}

bool Upkeep::leave_failure() noexcept {
  auto expected = UpkeepState::sanitize_failed;
  return may_be_left() && state_.compare_exchange_strong(expected, UpkeepState::none);
}

namespace {

constexpr std::uint64_t kPiece = std::uint64_t{1} << 20;
constexpr std::size_t kExtents = 16;

/// Walks the device once per pass, one request at a time. Deletes itself.
class Sweep {
 public:
  Sweep(std::shared_ptr<BlockDevice> device, Upkeep& upkeep, UpkeepRequest request,
        std::function<void(Error)> done)
      : device_(std::move(device)),
        upkeep_(upkeep),
        done_(std::move(done)),
        capacity_(device_->geometry().capacity),
        paced_(*device_, {.bytes_per_second = request.bytes_per_second}) {
    plan(std::move(request));
    request_.owner = this;
    request_.complete = on_complete;
    request_.context.priority = block::Priority::background;
  }

  /// One round: requests that complete at once follow each other, a few of them.
  void run() {
    auto* executor = Executor::current();
    for (std::uint32_t round = 1;; ++round) {
      if (!aim()) return end({});
      progress_.store(Progress::submitting);
      paced_.submit(request_);
      if (progress_.exchange(Progress::pending) == Progress::submitting) return;
      if (!account()) return;
      if (executor != nullptr && round % kRoundsPerTurn == 0)
        return executor->post([this] { run(); });
    }
  }

 private:
  static constexpr std::uint32_t kRoundsPerTurn = 4;

  /// Of a request: who comes second of its sender and its completion, which may be on
  /// another thread, goes on.
  enum class Progress : std::uint8_t { submitting, pending, completed };

  struct Pass {
    IoOp op = IoOp::flush;
    Buffer data;                  ///< of a write: kPiece of the pattern
    bool allocated_only = false;  ///< holes are passed over
  };

  void plan(UpkeepRequest request) {
    auto unmap = device_->features().unmap;
    if (request.kind == Kind::overwrite) {
      for (unsigned pass = 0; pass < request.passes; ++pass)
        passes_.push_back(
            {IoOp::write, repeated(request.pattern, request.invert && pass % 2 == 1), false});
    } else {
      if (request.kind == Kind::block_erase) {
        Buffer zeros(kPiece);
        std::ranges::fill(zeros.span(), std::byte{0});
        passes_.push_back({IoOp::write, std::move(zeros), unmap});
        passes_.push_back({});  // the zeros reach the medium before their blocks are let go
      }
      passes_.push_back({unmap ? IoOp::unmap : IoOp::write_zeroes, {}, false});
    }
    passes_.push_back({});
  }

  static Buffer repeated(const Buffer& pattern, bool inverted) {
    Buffer all(kPiece);
    auto block = pattern.span();
    for (std::size_t at = 0; at < all.size(); at += block.size())
      std::memcpy(all.data() + at, block.data(), block.size());
    if (inverted)
      for (auto& byte : all.span()) byte = ~byte;
    return all;
  }

  /// Sets up the next request; false: all is done.
  bool aim() {
    while (pass_ < passes_.size()) {
      auto& pass = passes_[pass_];
      if (pass.op == IoOp::flush && position_ == 0) {
        set(IoOp::flush, 0, {});
        return true;
      }
      if (position_ >= capacity_ || pass.op == IoOp::flush) {
        ++pass_;
        position_ = known_ = 0;
        continue;
      }
      if (pass.allocated_only && position_ >= known_) {
        set(IoOp::status, capacity_ - position_, {});
        request_.status = extents_;
        return true;
      }
      auto end = pass.allocated_only ? known_ : capacity_;
      auto length = std::min(end - position_, kPiece);
      set(pass.op, length, pass.data.span());
      return true;
    }
    return false;
  }

  void set(IoOp op, std::uint64_t length, std::span<std::byte> data) {
    request_.op = op;
    request_.offset = position_;
    request_.length = length;
    request_.may_unmap = true;
    vector_ = {data.data(), length};
    request_.buffers = data.empty() ? std::span<const IoVec>{} : std::span(&vector_, 1);
    request_.error = {};
  }

  static void on_complete(IoRequest& request) noexcept {
    auto& self = *static_cast<Sweep*>(request.owner);
    if (self.progress_.exchange(Progress::completed) == Progress::pending && self.account())
      self.run();
  }

  /// Takes in what has completed; false: it was the end.
  bool account() {
    if (request_.error) {
      end(request_.error);
      return false;
    }
    if (request_.op == IoOp::status) {
      skip_holes();
    } else {
      position_ += std::max<std::uint64_t>(request_.length, 1);
      upkeep_.advance(pass_ * capacity_ + std::min(position_, capacity_),
                      passes_.size() * capacity_);
    }
    return true;
  }

  /// To the first allocated byte, and how far what is allocated reaches.
  void skip_holes() {
    for (const auto& extent : std::span(extents_).first(request_.status_count)) {
      if (extent.allocated) {
        position_ = std::max(position_, extent.offset);
        known_ = std::min(extent.offset + extent.length, capacity_);
        return;
      }
      position_ = extent.offset + extent.length;
    }
    if (request_.status_count == 0) position_ = capacity_;
  }

  void end(Error error) {
    auto done = std::move(done_);
    delete this;
    done(error);
  }

  std::shared_ptr<BlockDevice> device_;
  Upkeep& upkeep_;  // of the device
  std::function<void(Error)> done_;
  const std::uint64_t capacity_;
  block::ThrottleDevice paced_;
  std::vector<Pass> passes_;
  std::size_t pass_ = 0;
  std::uint64_t position_ = 0;
  std::uint64_t known_ = 0;  // up to here all is allocated
  std::atomic<Progress> progress_{Progress::pending};
  IoRequest request_;
  IoVec vector_{};
  std::array<block::StatusExtent, kExtents> extents_{};
};

}  // namespace

void sweep(std::shared_ptr<BlockDevice> device, Upkeep& upkeep, UpkeepRequest request,
           std::function<void(Error)> done) {
  (new Sweep(std::move(device), upkeep, std::move(request), std::move(done)))->run();
}

}  // namespace caisson::object

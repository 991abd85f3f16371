// SPDX-License-Identifier: Apache-2.0
// One file request on its way through system calls: which call comes next, and
// what its result means. Engines differ only in how they make the call.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "storage_object/base/buffer.hpp"
#include "storage_object/file_store/file.hpp"

namespace caisson::posix {

using file_store::FileOp;
using file_store::FileRequest;

/// An open descriptor and what operations need to know of it.
struct Descriptor {
  int number = -1;
  std::uint32_t alignment = 0;          ///< bytes, for O_DIRECT; 0 through the page cache
  std::atomic<bool> try_cached = true;  ///< RWF_NOWAIT reads have not been refused
};

/// fallocate(2) mode of punch, zero and allocate. All keep the size.
int fallocate_mode(FileOp op) noexcept;

/// Pooled; alive from submit to completion. Not thread-safe: one thread at a
/// time advances it.
class Operation {
 public:
  /// Takes a request on. False when it is already settled: invalid (EINVAL,
  /// EFBIG) or empty; then error() is the outcome.
  bool begin(FileRequest& request, Descriptor& descriptor);

  /// Works out the next call. For read and write: vectors() at position().
  void plan();

  /// Takes the result of that call (a count, or minus an errno). True when the
  /// request is settled, false when plan() and another call must follow: after
  /// a short transfer, EINTR or EAGAIN.
  bool settle(int result);

  FileRequest& request() const noexcept { return *request_; }
  Descriptor& descriptor() const noexcept { return *descriptor_; }
  std::span<const IoVec> vectors() const noexcept { return vectors_; }
  std::uint64_t position() const noexcept { return request_->offset + request_->progress; }
  Error error() const noexcept { return error_; }
  void fail(int number) noexcept;

  Operation* next = nullptr;  ///< the engine's queue
  std::uint8_t lane = 0;      ///< the engine's

 private:
  bool transfers() const noexcept;
  void plan_bounce();
  void plan_rest();

  FileRequest* request_ = nullptr;
  Descriptor* descriptor_ = nullptr;
  std::span<const IoVec> vectors_;
  bool bounced_ = false;
  Error error_;
  Buffer bounce_;
  IoVec bounce_vector_{};
  std::vector<IoVec> rest_;
};

/// First in, first out, linked through Operation::next.
class OperationQueue {
 public:
  bool empty() const noexcept { return head_ == nullptr; }
  Operation* front() const noexcept { return head_; }
  bool single() const noexcept { return head_ != nullptr && head_->next == nullptr; }
  void push(Operation& operation) noexcept {
    operation.next = nullptr;
    (head_ == nullptr ? head_ : tail_->next) = &operation;
    tail_ = &operation;
  }
  Operation* pop() noexcept {
    auto* first = head_;
    if (first != nullptr) head_ = first->next;
    return first;
  }
  /// Moves everything of `other` behind what is here.
  void append(OperationQueue& other) noexcept {
    if (other.empty()) return;
    (head_ == nullptr ? head_ : tail_->next) = other.head_;
    tail_ = other.tail_;
    other.head_ = nullptr;
  }

 private:
  Operation* head_ = nullptr;
  Operation* tail_ = nullptr;
};

}  // namespace caisson::posix

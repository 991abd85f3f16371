// SPDX-License-Identifier: Apache-2.0
// What PosixFile sees of the engine of its thread, and what engines share.
#pragma once

#include <cstdint>

#include "storage_object/base/io_engine.hpp"
#include "storage_object/posix/operation.hpp"

namespace caisson::posix {

/// An eventfd: readable from signal() until somebody reads it.
class EventDescriptor {
 public:
  EventDescriptor();  ///< throws std::system_error
  ~EventDescriptor();
  EventDescriptor(const EventDescriptor&) = delete;
  EventDescriptor& operator=(const EventDescriptor&) = delete;
  int number() const noexcept { return number_; }
  void signal() const noexcept;

 private:
  int number_;
};

class FileEngine : public IoEngine {
 public:
  FileEngine();  ///< becomes the calling thread's; std::logic_error if it has one
  ~FileEngine() override;
  FileEngine(const FileEngine&) = delete;
  FileEngine& operator=(const FileEngine&) = delete;

  /// Queues an operation that has begun. Completes in a later
  /// submit_and_reap(). Only on the engine's thread.
  virtual void enqueue(Operation& operation) = 0;

  /// The calling thread's engine; nullptr if it has none.
  static FileEngine* current() noexcept;

 protected:
  /// Set while it lives, also when it is left by an exception: an engine that takes
  /// itself to be reaping never reaps again.
  class Reaping {
   public:
    explicit Reaping(bool& flag) noexcept : flag_(flag) { flag_ = true; }
    ~Reaping() { flag_ = false; }
    Reaping(const Reaping&) = delete;
    Reaping& operator=(const Reaping&) = delete;

   private:
    bool& flag_;
  };

  /// Ends the operation: back to the pool, then the request's completion.
  static void complete(Operation& operation) noexcept;
};

}  // namespace caisson::posix

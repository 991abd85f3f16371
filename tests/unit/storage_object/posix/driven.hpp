// SPDX-License-Identifier: Apache-2.0
// Runs file requests to their end on each of the three ways they can go.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "storage_object/file_store/file.hpp"
#include "storage_object/posix/engine.hpp"

namespace caisson::posix::tests {

enum class Way { uring, threads, inlined };

inline std::string name_of(Way way) {
  constexpr const char* kNames[] = {"Uring", "Threads", "Inline"};
  return kNames[static_cast<int>(way)];
}

/// The engine of the test's thread (none for Way::inlined), and a loop that
/// does what an I/O thread does.
class Driver {
 public:
  explicit Driver(Way way) {
    if (way == Way::uring) engine_ = make_engine(EngineKind::uring);
    if (way == Way::threads) engine_ = make_engine(EngineKind::threads);
  }
  IoEngine* engine() const noexcept { return engine_.get(); }

  /// Reaps until `done`, sleeping only on the event descriptor, as a thread
  /// that trusts it would.
  void run_until(const std::function<bool()>& done) {
    while (!done()) {
      if (engine_ == nullptr) return;
      engine_->submit_and_reap();
      if (done()) return;
      pollfd waiting{engine_->event_descriptor(), POLLIN, 0};
      if (::poll(&waiting, 1, 30'000) == 0) throw std::runtime_error("nothing completed in 30 s");
      std::uint64_t count = 0;
      [[maybe_unused]] auto got = ::read(engine_->event_descriptor(), &count, sizeof count);
    }
  }

  Error run(file_store::File& file, file_store::FileRequest& request) {
    bool done = false;
    request.owner = &done;
    request.complete = [](file_store::FileRequest& finished) noexcept {
      *static_cast<bool*>(finished.owner) = true;
    };
    file.submit(request);
    run_until([&] { return done; });
    return done ? request.error : Error(ETIMEDOUT, boost::system::system_category());
  }

  Error run(file_store::File& file, file_store::FileOp op, std::uint64_t offset,
            std::span<std::byte> memory, bool durable = false) {
    file_store::FileRequest request;
    IoVec vector{memory.data(), memory.size()};
    request.op = op;
    request.offset = offset;
    request.length = memory.size();
    request.buffers = {&vector, 1};
    request.durable = durable;
    return run(file, request);
  }

  Error run(file_store::File& file, file_store::FileOp op, std::uint64_t offset = 0,
            std::uint64_t length = 0) {
    file_store::FileRequest request;
    request.op = op;
    request.offset = offset;
    request.length = length;
    return run(file, request);
  }

 private:
  std::unique_ptr<IoEngine> engine_;
};

inline Error system_code(int number) { return {number, boost::system::system_category()}; }

}  // namespace caisson::posix::tests

// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/file_engine.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>

#include "storage_object/base/log.hpp"
#include "storage_object/base/pool.hpp"
#include "storage_object/posix/engine.hpp"
#include "storage_object/posix/thread_pool_engine.hpp"
#include "storage_object/posix/uring_engine.hpp"

namespace caisson::posix {
namespace {
thread_local FileEngine* current_engine = nullptr;
}

EventDescriptor::EventDescriptor() : number_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (number_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
}

EventDescriptor::~EventDescriptor() { ::close(number_); }

void EventDescriptor::signal() const noexcept {
  std::uint64_t one = 1;
  // EAGAIN means the counter is full: the descriptor is readable all the same.
  [[maybe_unused]] auto written = ::write(number_, &one, sizeof one);
}

FileEngine::FileEngine() {
  if (current_engine != nullptr) throw std::logic_error("this thread has an engine already");
  current_engine = this;
}

FileEngine::~FileEngine() { current_engine = nullptr; }

FileEngine* FileEngine::current() noexcept { return current_engine; }

void FileEngine::complete(Operation& operation) noexcept {
  auto& request = operation.request();
  auto error = operation.error();
  PerThreadPool<Operation>::release(&operation);
  request.finish(error);
}

std::unique_ptr<IoEngine> make_engine(EngineKind kind) {
  if (kind == EngineKind::threads) return std::make_unique<ThreadPoolEngine>();
  try {
    return std::make_unique<UringEngine>();
  } catch (const std::system_error& error) {
    if (kind == EngineKind::uring) throw;
    log::warning("io_uring is not available ({}): file I/O goes through threads, which is slower",
                 error.what());
  }
  return std::make_unique<ThreadPoolEngine>();
}

}  // namespace caisson::posix

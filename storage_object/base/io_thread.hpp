// SPDX-License-Identifier: Apache-2.0
// One I/O thread: an Asio context for sockets and timers, an IoEngine for
// files, and the order in which they take turns. Connections stay on one.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "storage_object/base/executor.hpp"
#include "storage_object/base/io_engine.hpp"

namespace caisson {

/// Something that has answers to send once the current batch of completions
/// has been run, so that all of them leave in one gathered send.
class BatchHook {
 public:
  virtual void on_batch_end() noexcept = 0;

 protected:
  ~BatchHook() = default;
};

class IoThread final : public Executor {
 public:
  using EngineFactory = std::function<std::unique_ptr<IoEngine>()>;

  /// Starts the thread and makes its engine there (rings belong to the thread
  /// that made them). Returns once the engine exists; rethrows what it threw.
  IoThread(std::string name, const EngineFactory& make_engine);

  /// stop(), then joins. Everything spawned on the context must have ended.
  ~IoThread() override;

  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  void post(std::function<void()> work) override;

  /// Lets the context run dry, waits for requests in flight, ends the thread.
  void stop();

  boost::asio::io_context& context() noexcept { return context_; }
  IoEngine& engine() noexcept { return *engine_; }

  /// After a batch was parsed and submitted: one kernel entry for all of it,
  /// then every hook that completions have deferred. Only on this thread.
  void flush();

  /// Calls hook.on_batch_end() once at the end of the current batch. Only on
  /// this thread; deferring twice before it ran is one call.
  void defer(BatchHook& hook);

  /// Takes a deferred hook back (its owner is going away). Only on this thread.
  void forget(BatchHook& hook) noexcept;

  /// The I/O thread the caller runs on; nullptr elsewhere.
  static IoThread* current() noexcept;

 private:
  void run(const EngineFactory& make_engine, std::function<void(std::exception_ptr)> started);
  void watch_engine();
  void drain_engine();
  void take_wakeup();
  void run_hooks();

  std::string name_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::unique_ptr<IoEngine> engine_;
  std::unique_ptr<boost::asio::posix::stream_descriptor> engine_event_;
  std::vector<BatchHook*> deferred_;
  std::vector<BatchHook*> running_;
  std::thread thread_;
};

}  // namespace caisson

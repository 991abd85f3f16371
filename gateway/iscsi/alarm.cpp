// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/alarm.hpp"

#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "storage_object/base/io_thread.hpp"

namespace caisson::iscsi {

struct Alarm::State {
  State(IoThread& on, std::function<void()> what)
      : thread(on), timer(on.context()), ring(std::move(what)) {}
  IoThread& thread;
  boost::asio::steady_timer timer;
  std::function<void()> ring;
};

Alarm::Alarm(IoThread& thread, std::function<void()> ring)
    : state_(std::make_shared<State>(thread, std::move(ring))) {}

Alarm::~Alarm() { state_->timer.cancel(); }

void Alarm::set(std::chrono::steady_clock::time_point when) {
  state_->timer.expires_at(when);
  state_->timer.async_wait([weak = std::weak_ptr(state_)](boost::system::error_code error) {
    auto state = weak.lock();
    if (error || !state) return;
    state->ring();
    state->thread.flush();
  });
}

}  // namespace caisson::iscsi

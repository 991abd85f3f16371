// SPDX-License-Identifier: Apache-2.0
#include "storage_object/block/fault_device.hpp"

#include <utility>

namespace caisson::block {
namespace {

bool matches(const Fault& fault, const IoRequest& request) {
  if (fault.op && *fault.op != request.op) return false;
  if (request.op == IoOp::flush || fault.length == Fault::kForever) return true;
  return request.offset < fault.offset + fault.length &&
         request.offset + request.length > fault.offset;
}

void go_on(BlockDevice& below, IoRequest& request, const Error& error) {
  error ? request.finish(error) : below.submit(request);
}

}  // namespace

void FaultPlan::add(const Fault& fault) {
  std::lock_guard lock(mutex_);
  faults_.push_back({fault});
  armed_.store(true, std::memory_order_release);
}

void FaultPlan::clear() {
  std::lock_guard lock(mutex_);
  faults_.clear();
  armed_.store(false, std::memory_order_release);
}

std::size_t FaultPlan::hanging() const {
  std::lock_guard lock(mutex_);
  return hung_.size();
}

void FaultPlan::release() {
  std::unique_lock lock(mutex_);
  auto hung = std::exchange(hung_, {});
  lock.unlock();
  for (auto& [below, request, executor, error] : hung) {
    auto resume = [below = below, request = request, error = error] {
      go_on(*below, *request, error);
    };
    executor != nullptr ? executor->post(resume) : resume();
  }
}

std::optional<Error> FaultPlan::judge(BlockDevice& below, IoRequest& request) {
  std::lock_guard lock(mutex_);
  for (auto& [fault, seen] : faults_) {
    if (!matches(fault, request)) continue;
    auto index = seen++;
    if (index < fault.skip || index - fault.skip >= fault.times) continue;
    hits_.fetch_add(1, std::memory_order_relaxed);
    if (!fault.hang) return fault.error;
    hung_.push_back({&below, &request, Executor::current(), fault.error});
    return std::nullopt;
  }
  return Error();
}

void FaultDevice::submit_judged(IoRequest& request) {
  if (auto error = plan_.judge(below_, request)) go_on(below_, request, *error);
}

}  // namespace caisson::block

// SPDX-License-Identifier: Apache-2.0
#include "storage_object/base/executor.hpp"

namespace caisson {
namespace {
thread_local Executor* current_executor = nullptr;
}

Executor* Executor::current() noexcept { return current_executor; }
void Executor::set_current(Executor* executor) noexcept { current_executor = executor; }

}  // namespace caisson

// SPDX-License-Identifier: Apache-2.0
// Requests that wait for a time, for decorators that hold requests back.
#pragma once

#include <chrono>

#include "storage_object/block/io_request.hpp"

namespace caisson::block {

/// What shall happen to the request when its time has come.
using Resume = void (*)(void* device, IoRequest& request);

/// Calls resume(device, request) at `when`, on the calling thread: on an I/O
/// thread by its timer (what is submitted then is flushed), on any other by
/// sleeping here until then. An I/O thread does not stop before the last of its
/// requests was resumed. Requests of equal time resume in the order of the
/// calls. Allocates only when more wait than ever before.
void resume_at(std::chrono::steady_clock::time_point when, Resume resume, void* device,
               IoRequest& request);

/// True on threads that may block, false on I/O threads.
bool may_wait_here() noexcept;

}  // namespace caisson::block

// SPDX-License-Identifier: Apache-2.0
// Chooses how an I/O thread's file operations reach the kernel.
#pragma once

#include <memory>

#include "storage_object/base/io_engine.hpp"

namespace caisson::posix {

enum class EngineKind {
  automatic,  ///< io_uring, or threads where the kernel or a sandbox forbids it
  uring,      ///< io_uring or nothing
  threads,    ///< a pool of threads that make blocking calls
};

/// Makes the engine of the calling thread, which must also drive and destroy
/// it; a thread has at most one. From then on every PosixFile request submitted
/// on this thread goes through it. Throws std::system_error when io_uring was
/// demanded and io_uring_setup(2) fails, std::logic_error on a second engine.
std::unique_ptr<IoEngine> make_engine(EngineKind kind = EngineKind::automatic);

}  // namespace caisson::posix

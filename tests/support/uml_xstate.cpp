// SPDX-License-Identifier: Apache-2.0
// Loaded into User Mode Linux by guest-run.sh. Its kernel (6.1) keeps 2.5 KiB of
// extended processor state per task; since AMX the host's kernel has more, and
// refuses to restore a shorter buffer than its own (EFAULT, and the guest's
// init dies). This wraps ptrace so that a short state is completed with what
// the traced process has already before it is set.
#include <dlfcn.h>
#include <elf.h>
#include <linux/ptrace.h>
#include <sys/uio.h>

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace {

using Ptrace = long (*)(int, ...);

Ptrace next_ptrace() {
  static const auto next = reinterpret_cast<Ptrace>(dlsym(RTLD_NEXT, "ptrace"));
  return next;
}

constexpr std::size_t kLargestState = 64 * 1024;
alignas(64) std::byte state[kLargestState];  // the tracing kernel is one thread

long set_state(int pid, const iovec& given) {
  iovec whole{state, sizeof(state)};
  if (next_ptrace()(PTRACE_GETREGSET, pid, NT_X86_XSTATE, &whole) < 0 ||
      whole.iov_len <= given.iov_len) {
    whole = given;
  } else {
    std::memcpy(state, given.iov_base, given.iov_len);
  }
  return next_ptrace()(PTRACE_SETREGSET, pid, NT_X86_XSTATE, &whole);
}

}  // namespace

// As the C library's own, but for the enumeration, which va_start cannot take.
extern "C" __attribute__((visibility("default"))) long ptrace(int request, ...) {
  va_list rest;
  va_start(rest, request);
  const int pid = va_arg(rest, int);
  void* const address = va_arg(rest, void*);
  void* const data = va_arg(rest, void*);
  va_end(rest);
  if (request == PTRACE_SETREGSET &&
      reinterpret_cast<std::uintptr_t>(address) == std::uintptr_t{NT_X86_XSTATE}) {
    return set_state(pid, *static_cast<const iovec*>(data));
  }
  return next_ptrace()(request, pid, address, data);
}

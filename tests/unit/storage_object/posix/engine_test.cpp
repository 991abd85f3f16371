// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/engine.hpp"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <functional>
#include <future>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "storage_object/base/io_thread.hpp"
#include "storage_object/posix/posix_store.hpp"
#include "storage_object/posix/uring_engine.hpp"
#include "tests/support/temp_dir.hpp"

namespace caisson::posix {
namespace {

TEST(Engine, AThreadHasAtMostOne) {
  auto engine = make_engine(EngineKind::threads);
  EXPECT_THROW(make_engine(EngineKind::threads), std::logic_error);
  engine.reset();
  EXPECT_NO_THROW(make_engine(EngineKind::threads));
}

/// Makes io_uring_setup fail with EPERM in this process, as container sandboxes
/// do. Only in a child.
bool forbid_uring() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(Engine, ThreadsServeWhereIoUringIsForbidden) {
  auto child = ::fork();
  if (child == 0) {
    if (!forbid_uring()) ::_exit(2);
    try {
      make_engine(EngineKind::uring);
      ::_exit(3);
    } catch (const std::system_error&) {
    }
    ::_exit(std::string(make_engine()->name()) == "threads" ? 0 : 4);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Engine, GoesOnWhereNoThreadCanBeStarted) {
  int started = 0;
  std::unique_ptr<UringEngine> engine;
  try {
    engine = std::make_unique<UringEngine>([&](std::function<void()> work) {
      if (++started > 1) throw std::system_error(EAGAIN, std::generic_category());
      return std::thread(std::move(work));
    });
  } catch (const std::system_error& error) {
    ASSERT_LE(started, 1) << "the refused thread ended the engine";
    GTEST_SKIP() << "no io_uring: " << error.what();
  }
  caisson::tests::TempDir dir;
  auto store = PosixStore::at(dir.path()).value();
  auto file = store->create_unnamed({}).value();
  std::vector<std::byte> data(4096, std::byte{7});
  for (int i = 0; i < 2; ++i) {
    FileRequest request;
    IoVec vector{data.data(), data.size()};
    request.op = FileOp::write;
    request.length = data.size();
    request.buffers = {&vector, 1};
    bool done = false;
    request.owner = &done;
    request.complete = [](FileRequest& finished) noexcept {
      *static_cast<bool*>(finished.owner) = true;
    };
    file->submit(request);
    while (!done) engine->submit_and_reap();
    EXPECT_FALSE(request.error);
  }
  EXPECT_GT(started, 1) << "a writer was wanted";
  EXPECT_EQ(engine->in_flight(), 0U);
}

class EngineOnIoThread : public ::testing::TestWithParam<EngineKind> {};

INSTANTIATE_TEST_SUITE_P(, EngineOnIoThread,
                         ::testing::Values(EngineKind::uring, EngineKind::threads));

TEST_P(EngineOnIoThread, RequestsCompleteOnTheThreadThatSubmittedThem) {
  caisson::tests::TempDir dir;
  auto store = PosixStore::at(dir.path()).value();
  auto file = store->create_unnamed({}).value();
  ASSERT_TRUE(file->resize(1 << 20).has_value());
  IoThread thread("io 0", [] { return make_engine(GetParam()); });

  constexpr FileOp kOps[] = {FileOp::write, FileOp::read, FileOp::sync, FileOp::allocate,
                             FileOp::extents};
  for (auto op : kOps) {
    struct Call {
      FileRequest request;
      char memory[4096] = {};
      IoVec vector{memory, sizeof memory};
      file_store::FileExtent extents[4];
      std::thread::id submitted;
      std::promise<bool> same_thread;
    } call;
    call.request.op = op;
    call.request.length = sizeof call.memory;
    if (op == FileOp::read || op == FileOp::write) call.request.buffers = {&call.vector, 1};
    call.request.extents = call.extents;
    call.request.owner = &call;
    call.request.complete = [](FileRequest& done) noexcept {
      auto& self = *static_cast<Call*>(done.owner);
      self.same_thread.set_value(std::this_thread::get_id() == self.submitted && !done.error);
    };
    thread.post([&] {
      call.submitted = std::this_thread::get_id();
      file->submit(call.request);
    });
    EXPECT_TRUE(call.same_thread.get_future().get()) << static_cast<int>(op);
  }
}

}  // namespace
}  // namespace caisson::posix

// SPDX-License-Identifier: Apache-2.0
// What no server can beat: the file itself, and a TCP connection on loopback
// that carries as many bytes and does nothing else.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "tests/bench/target.hpp"

namespace caisson::bench {
namespace {

constexpr std::size_t kRequest = 48;  // a header, as of iSCSI
constexpr std::size_t kRoom = 256 * 1024;

[[noreturn]] void fail(const std::string& what) {
  throw TargetError("cannot " + what + ": " + std::strerror(errno));
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { ::close(number_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }

 private:
  int number_;
};

/// One system call a request, on the caller's thread.
class FileTarget final : public Target {
 public:
  explicit FileTarget(const std::string& path) : file_(::open(path.c_str(), O_RDWR | O_CLOEXEC)) {
    if (file_.get() < 0) fail("open " + path);
    ::posix_fadvise(file_.get(), 0, 0, POSIX_FADV_RANDOM);
  }
  std::uint64_t capacity() const override {
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) fail("look at the file");
    return static_cast<std::uint64_t>(status.st_size);
  }
  void start(Slot& slot) override {
    const auto at = static_cast<off_t>(slot.offset);
    const iovec vector{slot.buffer.data(), slot.buffer.size()};
    const auto done = slot.write
                          ? ::pwritev2(file_.get(), &vector, 1, at, slot.durable ? RWF_DSYNC : 0)
                          : ::preadv2(file_.get(), &vector, 1, at, 0);
    if (done != static_cast<ssize_t>(slot.buffer.size())) fail("read or write the file");
    done_.push_back(&slot);
  }
  void wait(std::vector<Slot*>& completed) override {
    completed.insert(completed.end(), done_.begin(), done_.end());
    done_.clear();
  }

 private:
  Descriptor file_;
  std::vector<Slot*> done_;
};

/// Requests of 48 bytes, answers of 48 and the block; both sides in this
/// process, each taking what is there in one call and answering in one.
class PingPongTarget final : public Target {
 public:
  PingPongTarget() : listener_(::socket(AF_INET, SOCK_STREAM, 0)), near_(connect()) {}
  ~PingPongTarget() override {
    ::shutdown(near_.get(), SHUT_RDWR);
    if (server_.joinable()) server_.join();
  }
  std::uint64_t capacity() const override { return std::uint64_t{1} << 40; }
  void start(Slot& slot) override {
    if (!server_.joinable()) {
      answer_ = kRequest + slot.buffer.size();
      server_ = std::thread([this] { serve(); });
    }
    waiting_.push_back(&slot);
    unsent_ += kRequest;
  }
  void wait(std::vector<Slot*>& completed) override {
    send(near_.get(), std::exchange(unsent_, 0));
    for (const auto before = completed.size(); completed.size() == before;) {
      const auto got = ::recv(near_.get(), memory_.get(), kRoom, 0);
      if (got <= 0) fail("receive");
      for (received_ += static_cast<std::size_t>(got); received_ >= answer_; received_ -= answer_) {
        completed.push_back(waiting_.front());
        waiting_.pop_front();
      }
    }
  }

 private:
  int connect() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* any = reinterpret_cast<sockaddr*>(&address);
    const int near = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::bind(listener_.get(), any, length) != 0 || ::listen(listener_.get(), 1) != 0 ||
        ::getsockname(listener_.get(), any, &length) != 0 || ::connect(near, any, length) != 0)
      fail("connect to myself");
    const int on = 1;
    ::setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return near;
  }

  static void send(int socket, std::size_t length) {
    static const auto zeros = std::make_unique<std::byte[]>(kRoom);
    while (length > 0) {
      const auto sent = ::send(socket, zeros.get(), std::min(length, kRoom), MSG_NOSIGNAL);
      if (sent <= 0) return;  // the other side has gone
      length -= static_cast<std::size_t>(sent);
    }
  }

  void serve() {
    const Descriptor far(::accept(listener_.get(), nullptr, nullptr));
    const int on = 1;
    ::setsockopt(far.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const auto room = std::make_unique<std::byte[]>(kRoom);
    std::size_t received = 0;
    for (;;) {
      const auto got = ::recv(far.get(), room.get(), kRoom, 0);
      if (got <= 0) return;
      received += static_cast<std::size_t>(got);
      send(far.get(), received / kRequest * answer_);
      received %= kRequest;
    }
  }

  Descriptor listener_;
  Descriptor near_;
  std::size_t answer_ = 0;
  std::size_t unsent_ = 0;
  std::size_t received_ = 0;
  std::deque<Slot*> waiting_;
  std::unique_ptr<std::byte[]> memory_ = std::make_unique<std::byte[]>(kRoom);
  std::thread server_;
};

}  // namespace

std::unique_ptr<Target> open_file(const std::string& path) {
  return std::make_unique<FileTarget>(path);
}

std::unique_ptr<Target> open_ping_pong() { return std::make_unique<PingPongTarget>(); }

}  // namespace caisson::bench

// SPDX-License-Identifier: Apache-2.0
#include <libnbd.h>

#include <cstdio>
#include <cstdlib>

#include "tests/bench/target.hpp"

namespace caisson::bench {
namespace {

struct HandleDeleter {
  void operator()(nbd_handle* handle) const { nbd_close(handle); }
};

class NbdTarget final : public Target {
 public:
  explicit NbdTarget(const std::string& url) : handle_(nbd_create()) {
    check(nbd_connect_uri(handle_.get(), url.c_str()), "connect");
    capacity_ = static_cast<std::uint64_t>(check(nbd_get_size(handle_.get()), "ask for the size"));
  }

  std::uint64_t capacity() const override { return capacity_; }

  void start(Slot& slot) override {
    auto* request = take_request();
    request->slot = &slot;
    const nbd_completion_callback callback{&completed, request, nullptr};
    check(slot.write ? nbd_aio_pwrite(handle_.get(), slot.buffer.data(), slot.buffer.size(),
                                      slot.offset, callback, slot.durable ? LIBNBD_CMD_FLAG_FUA : 0)
                     : nbd_aio_pread(handle_.get(), slot.buffer.data(), slot.buffer.size(),
                                     slot.offset, callback, 0),
          "queue a request");
  }

  void wait(std::vector<Slot*>& completed) override {
    while (ready_.empty()) {
      if (check(nbd_poll(handle_.get(), kStallMilliseconds), "serve the connection") == 0) {
        throw TargetError("no answer in time");
      }
    }
    completed.insert(completed.end(), ready_.begin(), ready_.end());
    ready_.clear();
  }

 private:
  static constexpr int kStallMilliseconds = 30'000;

  struct Request {
    NbdTarget* target = nullptr;
    Slot* slot = nullptr;
  };

  static std::int64_t check(std::int64_t result, const char* what) {
    if (result < 0) throw TargetError(std::string("cannot ") + what + ": " + nbd_get_error());
    return result;
  }

  Request* take_request() {
    if (idle_.empty()) {
      requests_.push_back(std::make_unique<Request>());
      requests_.back()->target = this;
      return requests_.back().get();
    }
    auto* request = idle_.back();
    idle_.pop_back();
    return request;
  }

  /// Inside libnbd, possibly inside start(): no call to libnbd and no exception here.
  static int completed(void* user, int* error) {
    auto& request = *static_cast<Request*>(user);
    if (*error != 0) {
      std::fprintf(stderr, "loadgen: request at %llu failed with error %d\n",
                   static_cast<unsigned long long>(request.slot->offset), *error);
      std::exit(1);
    }
    request.target->ready_.push_back(request.slot);
    request.target->idle_.push_back(&request);
    return 1;  // retire the command
  }

  std::unique_ptr<nbd_handle, HandleDeleter> handle_;
  std::uint64_t capacity_ = 0;
  std::vector<std::unique_ptr<Request>> requests_;
  std::vector<Request*> idle_;
  std::vector<Slot*> ready_;
};

}  // namespace

std::unique_ptr<Target> open_nbd(const std::string& url) {
  return std::make_unique<NbdTarget>(url);
}

std::unique_ptr<Target> open_target(const std::string& url) {
  if (url.starts_with("iscsi://")) return open_iscsi(url);
  if (url.starts_with("nbd://")) return open_nbd(url);
  if (url.starts_with("file:")) return open_file(url.substr(5));
  if (url == "tcp:") return open_ping_pong();
  throw TargetError(url + " is none of iscsi://, nbd://, file:, tcp:");
}

}  // namespace caisson::bench

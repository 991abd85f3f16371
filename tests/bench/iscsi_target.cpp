// SPDX-License-Identifier: Apache-2.0
// clang-format off: libiscsi's headers need each other in this order
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
// clang-format on
#include <poll.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/target.hpp"

namespace caisson::bench {
namespace {

struct ContextDeleter {
  void operator()(iscsi_context* context) const {
    if (iscsi_is_logged_in(context)) iscsi_logout_sync(context);
    iscsi_destroy_context(context);
  }
};

struct UrlDeleter {
  void operator()(iscsi_url* url) const { iscsi_destroy_url(url); }
};

class IscsiTarget final : public Target {
 public:
  using Clock = std::chrono::steady_clock;

  explicit IscsiTarget(const std::string& url)
      : context_(iscsi_create_context("iqn.2026-11.test:loadgen")) {
    const std::unique_ptr<iscsi_url, UrlDeleter> parsed(
        iscsi_parse_full_url(context_.get(), url.c_str()));
    if (!parsed) fail("parse " + url);
    lun_ = parsed->lun;
    iscsi_set_targetname(context_.get(), parsed->target);
    iscsi_set_session_type(context_.get(), ISCSI_SESSION_NORMAL);
    iscsi_set_header_digest(context_.get(), ISCSI_HEADER_DIGEST_NONE);
    iscsi_set_noautoreconnect(context_.get(), 1);
    if (iscsi_full_connect_sync(context_.get(), parsed->portal, lun_) != 0)
      fail("log in to " + url);
    read_capacity();
  }

  std::uint64_t capacity() const override { return capacity_; }

  void start(Slot& slot) override {
    auto request = take_request();
    request->slot = &slot;
    request->vector = {slot.buffer.data(), slot.buffer.size()};
    const auto submit = slot.write ? &write_task : &read_task;
    if (submit(*this, *request) == nullptr) fail("queue a request");
  }

  void wait(std::vector<Slot*>& completed) override {
    completed_ = &completed;
    for (const auto before = completed.size(); completed.size() == before;)
      if (!serve(kStall)) fail("get an answer in time");
  }

  void wait_until(std::vector<Slot*>& completed, Clock::time_point until) override {
    completed_ = &completed;
    for (const auto before = completed.size(); completed.size() == before;) {
      const auto left = until - Clock::now();
      if (left <= Clock::duration::zero() || !serve(left)) return;
    }
  }

 private:
  static constexpr std::chrono::seconds kStall{30};

  struct Request {
    IscsiTarget* target = nullptr;
    Slot* slot = nullptr;
    scsi_iovec vector{};
  };

  [[noreturn]] void fail(const std::string& what) {
    throw TargetError("cannot " + what + ": " + iscsi_get_error(context_.get()));
  }

  /// What the connection is ready for; false if that is nothing for so long.
  bool serve(std::chrono::nanoseconds patience) {
    const auto whole = std::chrono::floor<std::chrono::seconds>(patience);
    const timespec limit{whole.count(), (patience - whole).count()};
    pollfd entry{iscsi_get_fd(context_.get()),
                 static_cast<short>(iscsi_which_events(context_.get())), 0};
    if (ppoll(&entry, 1, &limit, nullptr) <= 0) return false;
    if (iscsi_service(context_.get(), entry.revents) != 0) fail("serve the connection");
    return true;
  }

  void read_capacity() {
    scsi_task* task = iscsi_readcapacity16_sync(context_.get(), lun_);
    auto* answer = task != nullptr && task->status == SCSI_STATUS_GOOD
                       ? static_cast<scsi_readcapacity16*>(scsi_datain_unmarshall(task))
                       : nullptr;
    if (answer == nullptr) fail("read the capacity");
    block_ = static_cast<int>(answer->block_length);
    capacity_ = (answer->returned_lba + 1) * answer->block_length;
    scsi_free_scsi_task(task);
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

  static scsi_task* read_task(IscsiTarget& self, Request& request) {
    const Slot& slot = *request.slot;
    return iscsi_read16_iov_task(self.context_.get(), self.lun_, slot.offset / self.block_,
                                 static_cast<std::uint32_t>(slot.buffer.size()), self.block_, 0, 0,
                                 0, 0, 0, &completed, &request, &request.vector, 1);
  }

  static scsi_task* write_task(IscsiTarget& self, Request& request) {
    const Slot& slot = *request.slot;
    return iscsi_write16_iov_task(self.context_.get(), self.lun_, slot.offset / self.block_,
                                  nullptr, static_cast<std::uint32_t>(slot.buffer.size()),
                                  self.block_, 0, 0, slot.durable ? 1 : 0, 0, 0, &completed,
                                  &request, &request.vector, 1);
  }

  /// Called by libiscsi inside iscsi_service, which C code must not be thrown through.
  static void completed(iscsi_context* context, int status, void* data, void* user) {
    auto& request = *static_cast<Request*>(user);
    auto* task = static_cast<scsi_task*>(data);
    if (status != SCSI_STATUS_GOOD || task->residual_status != SCSI_RESIDUAL_NO_RESIDUAL) {
      std::fprintf(stderr, "loadgen: %s at %llu ended with status %d: %s\n",
                   request.slot->write ? "write" : "read",
                   static_cast<unsigned long long>(request.slot->offset), status,
                   iscsi_get_error(context));
      std::exit(1);
    }
    scsi_free_scsi_task(task);
    request.target->completed_->push_back(request.slot);
    request.target->idle_.push_back(&request);
  }

  std::unique_ptr<iscsi_context, ContextDeleter> context_;
  int lun_ = 0;
  int block_ = 512;
  std::uint64_t capacity_ = 0;
  std::vector<std::unique_ptr<Request>> requests_;
  std::vector<Request*> idle_;
  std::vector<Slot*>* completed_ = nullptr;
};

}  // namespace

std::unique_ptr<Target> open_iscsi(const std::string& url) {
  return std::make_unique<IscsiTarget>(url);
}

}  // namespace caisson::bench

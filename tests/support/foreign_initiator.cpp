// SPDX-License-Identifier: Apache-2.0
#include "tests/support/foreign_initiator.hpp"

#include <unistd.h>

#include <mutex>
#include <stdexcept>
#include <vector>

extern "C" {
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
}

namespace caisson::tests {
namespace {

constexpr int kLun = 0;
constexpr int kTimeoutSeconds = 60;

ForeignResult result_of(scsi_task* task) {
  ForeignResult result;
  result.status = task->status;
  if (task->status == SCSI_STATUS_CHECK_CONDITION) {
    result.key = task->sense.key;
    result.asc = task->sense.ascq >> 8;
    result.ascq = task->sense.ascq & 0xff;
  }
  const auto* bytes = reinterpret_cast<const std::byte*>(task->datain.data);
  result.data.assign(bytes, bytes + task->datain.size);
  ::scsi_free_scsi_task(task);
  return result;
}

/// When a connection is lost in the midst of a blocking call, libiscsi keeps the command,
/// and would tell the frame of that call, which is gone, once the context is destroyed.
void bury(iscsi_context* context) {
  static std::mutex mutex;
  static std::vector<iscsi_context*> buried;
  std::lock_guard lock(mutex);
  ::close(::iscsi_get_fd(context));
  buried.push_back(context);
}

}  // namespace

ForeignInitiator::ForeignInitiator(const std::string& portal, const std::string& target,
                                   const std::string& name)
    : context_(::iscsi_create_context(name.c_str())) {
  ::iscsi_set_targetname(context_, target.c_str());
  ::iscsi_set_session_type(context_, ISCSI_SESSION_NORMAL);
  ::iscsi_set_header_digest(context_, ISCSI_HEADER_DIGEST_NONE_CRC32C);
  ::iscsi_set_timeout(context_, kTimeoutSeconds);
  ::iscsi_set_noautoreconnect(context_, 1);
  if (::iscsi_connect_sync(context_, portal.c_str()) != 0 || ::iscsi_login_sync(context_) != 0) {
    std::string error = ::iscsi_get_error(context_);
    ::iscsi_destroy_context(context_);
    throw std::runtime_error("login: " + error);
  }
}

ForeignInitiator::~ForeignInitiator() {
  if (lost_) {
    bury(context_);
    return;
  }
  ::iscsi_logout_sync(context_);
  ::iscsi_destroy_context(context_);
}

ForeignResult ForeignInitiator::take(scsi_task* task) {
  lost_ = lost_ || task == nullptr;
  if (task == nullptr) throw std::runtime_error("the initiator gave up on a command");
  return result_of(task);
}

ForeignResult ForeignInitiator::test_unit_ready() {
  return take(::iscsi_testunitready_sync(context_, kLun));
}

void ForeignInitiator::clear_attentions() {
  while (test_unit_ready().key == SCSI_SENSE_UNIT_ATTENTION) {
  }
}

ForeignResult ForeignInitiator::read(std::uint64_t lba, std::uint32_t bytes, std::uint32_t block) {
  return take(
      ::iscsi_read16_sync(context_, kLun, lba, bytes, static_cast<int>(block), 0, 0, 0, 0, 0));
}

ForeignResult ForeignInitiator::write(std::uint64_t lba, std::span<const std::byte> data,
                                      std::uint32_t block, bool fua) {
  auto* bytes = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(data.data()));
  return take(::iscsi_write16_sync(context_, kLun, lba, bytes,
                                   static_cast<std::uint32_t>(data.size()), static_cast<int>(block),
                                   0, 0, fua ? 1 : 0, 0, 0));
}

ForeignResult ForeignInitiator::flush() {
  return take(::iscsi_synchronizecache16_sync(context_, kLun, 0, 0, 0, 0));
}

ForeignResult ForeignInitiator::command(std::vector<std::uint8_t> cdb,
                                        std::span<const std::byte> out, std::uint32_t in) {
  auto direction = !out.empty() ? SCSI_XFER_WRITE : in != 0 ? SCSI_XFER_READ : SCSI_XFER_NONE;
  auto length = static_cast<int>(out.empty() ? in : out.size());
  auto* task = ::scsi_create_task(static_cast<int>(cdb.size()), cdb.data(), direction, length);
  iscsi_data data{out.size(), reinterpret_cast<unsigned char*>(const_cast<std::byte*>(out.data()))};
  return take(::iscsi_scsi_command_sync(context_, kLun, task, out.empty() ? nullptr : &data));
}

std::uint64_t ForeignInitiator::last_lba() {
  auto* task = ::iscsi_readcapacity16_sync(context_, kLun);
  if (task == nullptr) throw std::runtime_error("no READ CAPACITY");
  auto* capacity = static_cast<scsi_readcapacity16*>(::scsi_datain_unmarshall(task));
  auto last = capacity == nullptr ? 0 : capacity->returned_lba;
  ::scsi_free_scsi_task(task);
  return last;
}

bool ForeignInitiator::lun_reset() { return ::iscsi_task_mgmt_lun_reset_sync(context_, kLun) == 0; }

bool ForeignInitiator::abort_task_set() {
  return ::iscsi_task_mgmt_abort_task_set_sync(context_, kLun) == 0;
}

bool ForeignInitiator::warm_reset() {
  return ::iscsi_task_mgmt_target_warm_reset_sync(context_) == 0;
}

}  // namespace caisson::tests

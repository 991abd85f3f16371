// SPDX-License-Identifier: Apache-2.0
// libiscsi's initiator: a foreign implementation as judge, in this process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

struct iscsi_context;
struct scsi_task;

namespace caisson::tests {

/// What a command came back with.
struct ForeignResult {
  int status = 0;  ///< SAM-5 status byte
  int key = 0, asc = 0, ascq = 0;
  std::vector<std::byte> data;
  bool good() const noexcept { return status == 0; }
};

/// One logged-in session, used by one thread. Blocking. Logs in without waiting
/// for the unit to be ready, so that the first unit attentions can be seen.
class ForeignInitiator {
 public:
  /// Throws std::runtime_error when it cannot log in.
  ForeignInitiator(const std::string& portal, const std::string& target,
                   const std::string& name = "iqn.2026-11.io.caisson.test:foreign");
  ~ForeignInitiator();
  ForeignInitiator(const ForeignInitiator&) = delete;
  ForeignInitiator& operator=(const ForeignInitiator&) = delete;

  ForeignResult test_unit_ready();
  /// Asks until no unit attention is left.
  void clear_attentions();
  ForeignResult read(std::uint64_t lba, std::uint32_t bytes, std::uint32_t block = 512);
  ForeignResult write(std::uint64_t lba, std::span<const std::byte> data, std::uint32_t block = 512,
                      bool fua = false);
  ForeignResult flush();
  std::uint64_t last_lba();
  /// Any command that sends `out`, or else receives up to `in` bytes.
  ForeignResult command(std::vector<std::uint8_t> cdb, std::span<const std::byte> out = {},
                        std::uint32_t in = 0);

  /// Task management; true: the target says that it is done.
  bool lun_reset();
  bool abort_task_set();
  bool warm_reset();

 private:
  ForeignResult take(scsi_task* task);

  iscsi_context* context_;
  bool lost_ = false;  ///< the connection, in the midst of a command
};

}  // namespace caisson::tests

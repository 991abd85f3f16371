// SPDX-License-Identifier: Apache-2.0
// Proves of the SCSI termination, for any sequence of commands on two nexuses
// over one object in memory, with faults, held requests, resizes and changes of
// the map in between:
//   - every command ends exactly once, in a status of SAM-5 that a target here
//     uses, with sense if and only if that is CHECK CONDITION;
//   - what comes back is within the plan, the plan within the largest transfer;
//   - the medium holds what the commands that ended GOOD wrote, and nothing
//     else: after each command all bytes equal a model's.
//
// Input: a byte of set-up, then records: a byte of circumstances, 16 of CDB, a
// byte that says how many bytes of data follow, which are repeated as often as
// the plan asks for.
#include <deque>
#include <memory>
#include <vector>

#include "gateway/scsi/nexus.hpp"
#include "storage_object/base/byte_order.hpp"
#include "storage_object/base/log.hpp"
#include "tests/fuzz/block_model.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/support/memory_object.hpp"

namespace {

using namespace caisson;
using namespace caisson::scsi;
using fuzz::require;

constexpr std::uint64_t kCapacity = std::uint64_t{64} << 10;
constexpr std::size_t kMaxCommands = 64;

enum Setup : std::uint8_t { k4K = 1, kNoUnmap = 2, kReadOnlyMapping = 4, kReadOnlyObject = 8 };

enum Circumstance : std::uint8_t {
  kSecondNexus = 1,
  kHold = 2,       ///< requests wait until the next command without it
  kShort = 4,      ///< half of the data-out comes
  kExpected = 8,   ///< the transport says how much it expects: what it brings
  kFault = 16,     ///< requests fail, which kind the data's first byte says
  kBetween = 32,   ///< something changes between prepare and execute
  kOtherLun = 64,  ///< a LUN that is not there
  kLongCdb = 128,  ///< 32 bytes of CDB
};

struct Exchange {
  Task task;
  DataPlan plan;
  std::size_t completions = 0;
};

class Run {
 public:
  explicit Run(std::uint8_t setup) : object_(make_object(setup)) {
    read_only_ = (setup & kReadOnlyMapping) != 0;
    for (std::uint64_t id = 1; id <= 2; ++id)
      nexuses_.push_back(std::make_unique<Nexus>(identity(id), mapping()));
  }

  void run(fuzz::Input input) {
    for (std::size_t i = 0; i < kMaxCommands && !input.empty(); ++i) command(input);
    object_->release();
    for (const auto& x : exchanges_) check_end(x);
  }

 private:
  static std::shared_ptr<tests::MemoryObject> make_object(std::uint8_t setup) {
    tests::MemoryObject::Setup with;
    with.geometry = {kCapacity, (setup & k4K) != 0 ? 4096u : 512u, 4096};
    with.features.unmap = (setup & kNoUnmap) == 0;
    with.features.read_only = (setup & kReadOnlyObject) != 0;
    return std::make_shared<tests::MemoryObject>(with);
  }
  static NexusIdentity identity(std::uint64_t id) {
    return {.id = id,
            .host = 7,
            .host_name = "host",
            .initiator_port = "iqn.1993-08.org.debian:1,i,0x1",
            .target_name = "iqn.2026-11.io.caisson:node:disk"};
  }
  std::vector<LunMapping> mapping() const { return {{0, unit_, read_only_}}; }

  void command(fuzz::Input& input) {
    auto how = input.byte();
    auto cdb = input.take(16);
    auto data = input.take(input.byte());
    auto& x = exchanges_.emplace_back();
    std::ranges::copy(cdb, x.task.cdb.begin());
    x.task.cdb_length = (how & kLongCdb) != 0 ? 32 : 16;
    x.task.lun = (how & kOtherLun) != 0 ? std::uint64_t{1} << 48 : 0;
    x.task.owner = &x;
    x.task.complete = [](Task& task) noexcept {
      ++static_cast<Exchange*>(task.owner)->completions;
    };
    if ((how & kExpected) != 0) x.task.expected_length = data.size() * 16;
    if ((how & kHold) != 0) object_->hold();
    if ((how & kFault) != 0) break_something(data);
    auto changed = start(x, how, data);
    if ((how & kHold) != 0) return;
    object_->release();
    for (const auto& ended : exchanges_) check_end(ended);
    model_.after(x.task, x.plan.length, exchanges_.size() > 1 || changed || faulty_);
    exchanges_.clear();
  }

  /// True if the command no longer meets what it was planned for.
  bool start(Exchange& x, std::uint8_t how, std::span<const std::byte> data) {
    auto& nexus = *nexuses_[(how & kSecondNexus) != 0 ? 1 : 0];
    auto accepted = nexus.prepare(x.task, x.plan);
    require(x.completions == 0, "prepare calls nobody back");
    require(x.plan.length <= kMaxTransfer, "a plan is within the largest transfer");
    auto between = (how & kBetween) != 0;
    if (between) change(nexus, data);
    if (!accepted) {
      ++x.completions;
      return between;
    }
    if (x.plan.direction == Direction::out) fill(x, data, (how & kShort) != 0);
    nexus.execute(x.task);
    return between;
  }

  static void fill(Exchange& x, std::span<const std::byte> data, bool halved) {
    auto length = halved ? x.plan.length / 2 : x.plan.length;
    x.task.data_out = Buffer(std::max<std::uint64_t>(x.plan.length, 1));
    x.task.data_out_length = length;
    fuzz::repeat(data, x.task.data_out.span());
  }

  void break_something(std::span<const std::byte> data) {
    constexpr block::BlockErrc kErrors[] = {
        block::BlockErrc::out_of_range, block::BlockErrc::no_space,
        block::BlockErrc::medium_error, block::BlockErrc::write_error,
        block::BlockErrc::failed,       block::BlockErrc::offline,
        block::BlockErrc::conflict,     block::BlockErrc::busy,
        block::BlockErrc::aborted,      block::BlockErrc::fenced,
        block::BlockErrc::unsupported,  block::BlockErrc::misaligned};
    auto which = data.empty() ? 0u : std::to_integer<unsigned>(data[0]);
    object_->fail(static_cast<block::IoOp>(which % 6), kErrors[which / 6 % std::size(kErrors)]);
    faulty_ = true;
  }

  void change(Nexus& nexus, std::span<const std::byte> data) {
    switch (data.empty() ? 0u : std::to_integer<unsigned>(data[0]) % 7) {
      case 0: nexus.remap({}); break;
      case 1: nexus.remap(mapping()); break;
      case 2: object_->resize(kCapacity / 2); break;
      case 3: object_->resize(kCapacity); break;
      case 4: nexus.reset(0); break;
      case 5: object_->set_state(catalog::LunState::offline); break;
      case 6: object_->set_state(catalog::LunState::online); break;
    }
  }

  static void check_end(const Exchange& x) {
    require(x.completions == 1, "a command ends exactly once");
    const auto& task = x.task;
    auto status = task.status;
    require(status == Status::good || status == Status::check_condition ||
                status == Status::condition_met || status == Status::busy ||
                status == Status::reservation_conflict || status == Status::task_set_full ||
                status == Status::task_aborted,
            "a known status");
    require((status == Status::check_condition) == task.sense.present(),
            "sense if and only if CHECK CONDITION");
    std::array<std::byte, kMaxSense> room{};
    for (auto descriptor : {false, true}) {
      auto length = encode(task.sense, descriptor, room);
      require(length >= 8 && length <= room.size(), "sense can be encoded");
      require((std::to_integer<unsigned>(room[0]) & 0x7e) == (descriptor ? 0x72u : 0x70u),
              "in the format asked for");
    }
    require(task.data_in_length <= task.data_in.size() && task.data_in_length <= x.plan.length,
            "data-in is within its buffer and its plan");
    require(task.data_in_length == 0 || x.plan.direction == Direction::in, "and was planned");
    require(task.data_in_length == 0 || !task.sense.present(), "and comes without sense");
  }

  std::shared_ptr<tests::MemoryObject> object_;
  std::shared_ptr<LogicalUnit> unit_ = std::make_shared<LogicalUnit>(object_);
  fuzz::BlockModel model_{object_->bytes(), object_->geometry().logical_block};
  bool read_only_ = false, faulty_ = false;
  std::deque<Exchange> exchanges_;  // outlived by nothing but the object
  std::vector<std::unique_ptr<Nexus>> nexuses_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  log::set_level(log::Level::error);
  fuzz::Input input(data, size);
  Run run(input.byte());
  run.run(input);
  return 0;
}

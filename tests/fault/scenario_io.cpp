// SPDX-License-Identifier: Apache-2.0
// What hosts do in a scenario.
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "storage_object/format/trailer.hpp"
#include "tests/fault/scenario.hpp"

namespace caisson::tests {

using block::BlockErrc;
using block::Combine;
using block::IoOp;
using object::ReservationAction;
using object::ReservationResult;
using object::ReservationType;

namespace {

/// Of our threads only one that waits for another sleeps.
bool sleeps(int thread) {
  std::ifstream stat("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string text;
  std::getline(stat, text);
  auto name_end = text.rfind(')');
  return name_end != std::string::npos && text.substr(name_end + 2, 1) == "S";
}

std::vector<std::byte> random_bytes(SimRandom& random, std::size_t length) {
  auto bytes = filled(length, static_cast<int>(random.below(256)));
  auto stamp = random.next();
  for (std::size_t at = 0; at < length; at += kSector)
    std::memcpy(bytes.data() + at, &stamp, sizeof stamp);
  return bytes;
}

}  // namespace

int Scenario::own_thread() { return static_cast<int>(::syscall(SYS_gettid)); }

/// A write of one of the kinds that hosts know.
std::unique_ptr<Scenario::Io> Scenario::random_change(const LunModel& lun) {
  auto io = std::make_unique<Io>();
  io->object = machine_->object(lun.name.value());
  if (!io->object) {
    ADD_FAILURE() << lun.name.value() << " is not served";
    return nullptr;
  }
  auto sectors = lun.capacity.value() / kSector;
  auto first = random_.below(sectors);
  auto count = 1 + random_.below(std::min<std::uint64_t>(sectors - first, 40));
  auto& request = io->request;
  request.op = IoOp::write;
  request.offset = first * kSector;
  request.length = count * kSector;
  request.fua = random_.chance(25);
  auto kind = random_.below(10);
  if (kind < 3) {  // WRITE SAME of zeros, with and without UNMAP, and UNMAP
    io->after = filled(request.length, 0);
    bool unmap = kind == 0 && io->object->features().unmap;
    request.op = unmap ? IoOp::unmap : IoOp::write_zeroes;
    request.fua = request.fua && !unmap;
    request.may_unmap = random_.chance(60);
    return io;
  }
  io->after = io->sent = random_bytes(random_, request.length);
  if (kind < 8) return io;
  auto before = filled(request.length, 0);
  EXPECT_TRUE(!read(*io->object, request.offset, before) || is_over());
  if (kind == 8) {
    request.combine = Combine::set_bits;
    for (std::size_t i = 0; i < before.size(); ++i) io->after[i] |= before[i];
  } else {
    request.combine = Combine::replace_if_equal;
    io->sent.insert(io->sent.begin(), before.begin(), before.end());
  }
  return io;
}

void Scenario::submit(Io& io) {
  auto& request = io.request;
  io.memory = {io.sent.data(), io.sent.size()};
  if (!io.sent.empty()) request.buffers = {&io.memory, 1};
  request.owner = &io.done;
  request.complete = [](block::IoRequest& finished) noexcept {
    auto& flag = *static_cast<std::atomic<bool>*>(finished.owner);
    flag.store(true, std::memory_order_release);
    flag.notify_one();
  };
  io.object->submit(request);
}

/// A host that is told that the LUN has failed finds it recorded, unless the catalog
/// was hit, too.
void Scenario::told(const LunModel& lun, const Error& error) {
  if (error != BlockErrc::failed || disk_->hits() > hits_ + 1) return;
  auto found = machine_->registry().find(lun.name.value());
  ASSERT_TRUE(is_over() || (found && found->record.state == catalog::LunState::failed))
      << "told before it was recorded";
}

/// What the answer promises of the medium.
void Scenario::conclude(LunModel& lun, const Io& io) {
  const auto& error = io.request.error;
  bool durable = io.request.fua || lun.write_through();
  if (lun.failed == Failed::yes) {
    ASSERT_TRUE(error == BlockErrc::failed || is_over()) << "a failed LUN takes writes";
    return;
  }
  ASSERT_TRUE(!error || is_over() || disk_->hits() != hits_) << error.message();
  ASSERT_TRUE(durable || error != BlockErrc::failed || is_over()) << "a plain write says failed";
  told(lun, error);
  lun.medium.wrote(io.request.offset, io.after,
                   error     ? Answer::none
                   : durable ? Answer::durable
                             : Answer::done);
}

void Scenario::perform(LunModel& lun, std::unique_ptr<Io> io) {
  if (!io) return;
  submit(*io);
  io->wait();
  conclude(lun, *io);
}

void Scenario::change_some(LunModel& lun) { perform(lun, random_change(lun)); }

/// A slot as perfect as only the owner could make it, where a trailer of another
/// capacity would stand.
void Scenario::forge(LunModel& lun) {
  auto capacity = lun.capacity.value();
  format::Slot slot;
  slot.generation = 1000 + random_.below(1000);
  slot.uuid = lun.uuid;
  slot.capacity = kSector * (1 + random_.below(capacity / kSector));
  slot.message.mutable_identity()->set_target_name(lun.target_name);
  slot.message.set_logical_block(512);
  unsigned index = random_.chance(50);
  auto bytes = format::encode_slot(slot, index).value();
  auto at = format::slot_position(format::trailer_position(slot.capacity), index);
  if (at + bytes.size() > capacity) return;
  auto io = std::make_unique<Io>();
  io->object = machine_->object(lun.name.value());
  ASSERT_TRUE(io->object);
  io->sent.assign(bytes.span().begin(), bytes.span().end());
  io->after = io->sent;
  io->request.op = IoOp::write;
  io->request.offset = at;
  io->request.length = bytes.size();
  perform(lun, std::move(io));
}

void Scenario::flush_all(LunModel& lun) {
  auto object = machine_->object(lun.name.value());
  ASSERT_TRUE(object) << lun.name.value() << " is not served";
  auto error = flush(*object);
  if (lun.failed == Failed::yes) {
    // Write-through has nothing to flush, but it has failed all the same.
    ASSERT_TRUE(error == BlockErrc::failed || is_over()) << "a failed LUN takes flushes";
    return;
  }
  ASSERT_TRUE(!error || is_over() || disk_->hits() != hits_) << error.message();
  told(lun, error);
  if (!error) lun.medium.flushed();
}

/// Two sessions register, reserve and quarrel; some of it is kept over a power
/// loss (APTPL).
void Scenario::reserve(LunModel& lun) {
  const object::NexusName names[] = {{"iqn.a", 1}, {"iqn.b", 1}};
  auto object = machine_->object(lun.name.value());
  ASSERT_TRUE(object) << lun.name.value() << " is not served";
  auto& reservations = object->reservations();
  for (std::uint64_t nexus : {1, 2}) reservations.attach(nexus, names[nexus - 1]);
  constexpr ReservationAction kActions[] = {ReservationAction::register_and_ignore,
                                            ReservationAction::register_and_ignore,
                                            ReservationAction::reserve,
                                            ReservationAction::reserve,
                                            ReservationAction::release,
                                            ReservationAction::clear,
                                            ReservationAction::preempt};
  auto nexus = 1 + random_.below(2);
  auto state = reservations.state();
  const auto* own = state.find(names[nexus - 1]);
  object::ReservationRequest request;
  request.action = kActions[random_.below(std::size(kActions))];
  request.key = own == nullptr ? 0 : own->key;
  request.type = ReservationType::write_exclusive;
  request.service_key = random_.below(4);
  request.aptpl = random_.chance(75);
  auto planned = reservations.plan(nexus, request);
  std::atomic<bool> done = false;
  ReservationResult result{};
  object->change_reservations({nexus}, request, [&](ReservationResult answer) {
    result = answer;
    done = true;
    done.notify_one();
  });
  done.wait(false);
  if (planned.result == ReservationResult::done)
    lun.reservation.asked(KeptReservation::of(planned.state));
  if (result == ReservationResult::done) return lun.reservation.answered();
  if (planned.result != ReservationResult::done) return;
  answered(&lun, false, "a reservation was refused");
}

// A change by a host that is still under way when an administrator's comes.

/// Sometimes: a request whose write does not return until release().
std::unique_ptr<Scenario::Io> Scenario::hang_a_change(LunModel& lun) {
  if (faults_ || lun.failed != Failed::no || !random_.chance(35)) return nullptr;
  auto io = random_change(lun);
  if (!io || is_over()) return nullptr;
  history_.back() += " beside a write";
  disk_->inject({.op = SimOp::write, .hang = true, .file = lun.name.value() + ".img"});
  submit(*io);
  disk_->clear_faults();
  if (disk_->hanging() == 1) return io;
  io->wait();
  conclude(lun, *io);
  return nullptr;
}

void Scenario::finish_beside(LunModel& lun, Io& io, std::thread& other, std::atomic<int>& thread,
                             std::atomic<bool>& ended) {
  while (!ended && (thread == 0 || !sleeps(thread))) std::this_thread::yield();
  disk_->release();
  io.wait();
  other.join();
  conclude(lun, io);
}

}  // namespace caisson::tests

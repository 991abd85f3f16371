// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/nexus.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "gateway/scsi/command.hpp"
#include "gateway/scsi/counters.hpp"
#include "gateway/scsi/lun_address.hpp"
#include "gateway/scsi/senses.hpp"
#include "gateway/scsi/transport_id.hpp"
#include "gateway/scsi/unit_attention.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::scsi {
namespace {

constexpr std::uint32_t kNewUnit = bit(UnitAttention::power_on_or_reset);

/// What an object that does not exist could do.
constexpr block::Features kNoFeatures{};

/// The highest bit the CDB sets that its row does not evaluate.
bool reserved_bits_clear(const Command& command) {
  const auto& spec = command.spec();
  for (std::uint16_t i = 1; i < spec.length; ++i) {
    auto allowed = spec.usage[i];
    if (i == 1 && spec.action != kNoAction) allowed |= 0x1f;
    auto stray =
        static_cast<std::uint8_t>(std::to_integer<std::uint8_t>(command.task().cdb[i]) & ~allowed);
    if (stray != 0)
      return command.refuse_field(i, static_cast<std::uint8_t>(std::bit_width(stray) - 1));
  }
  return true;
}

bool length_sufficient(const Command& command) {
  const auto& spec = command.spec();
  return command.task().cdb_length >= spec.length ||
         command.refuse_field(command.task().cdb_length, 7);
}

/// Sets task.command or refuses: the opcode, or its service action.
bool select_row(const Command& command) {
  auto& task = command.task();
  auto features = command.has_unit() ? command.object().features() : kNoFeatures;
  task.command = find_command(task.cdb, features);
  if (task.command != nullptr) return true;
  auto rows = rows_of(std::to_integer<std::uint8_t>(task.cdb[0]));
  auto known =
      std::ranges::any_of(rows, [&](const CommandSpec& row) { return available(row, features); });
  return known ? command.refuse_field(1, 4) : command.refuse(kInvalidOpcode);
}

bool attention_allowed(const Task& task) {
  auto rows = rows_of(std::to_integer<std::uint8_t>(task.cdb[0]));
  return !rows.empty() && (rows.front().allow & kDuringAttention) != 0;
}

void reset_answer(Task& task) {
  task.status = Status::good;
  task.sense = {};
  task.data_in_length = 0;
  task.command = nullptr;
}

}  // namespace

bool access_granted(const Command& command) {
  const auto& spec = command.spec();
  if (!command.has_unit()) return true;
  if (auto sense = not_ready(command); sense.present()) return command.refuse(sense);
  if (!command.object().reservations().permits(command.identity().id, spec.guard))
    return command.refuse_conflict();
  if (spec.access == Access::write && command.write_protected())
    return command.refuse(kWriteProtected);
  if (spec.access == Access::govern && command.mapping().read_only)
    return command.refuse(kWriteProtected);
  return true;
}

Nexus::Nexus(NexusIdentity identity, std::vector<LunMapping> units, std::weak_ptr<NexusHost> host)
    : identity_(std::move(identity)),
      transport_id_(scsi::transport_id(identity_.initiator_port)),
      host_(std::move(host)) {
  for (const auto& mapping : units) by_number_.push_back(&slot_for(mapping, kNewUnit));
  std::ranges::sort(by_number_, {}, [](const Slot* slot) { return slot->mapping.number; });
}

Nexus::~Nexus() {
  for (auto* slot : by_number_) {
    slot->mapping.unit->tasks().detach(*slot);
    slot->mapping.unit->detach(*this);
  }
  for (auto* slot = slots_.load(); slot != nullptr;) delete std::exchange(slot, slot->next.load());
}

bool Nexus::prepare(Task& task, DataPlan& plan) {
  reset_answer(task);
  plan = {};
  auto* slot = find(task.lun);
  task.mapping = slot == nullptr ? 0 : slot->serial;
  Command command(*this, task, slot);
  task.descriptor_sense = slot != nullptr && slot->mapping.unit->descriptor_sense();
  auto accepted = [&] {
    if (slot != nullptr && slot->attentions.load(std::memory_order_relaxed) != 0 &&
        !attention_allowed(task)) [[unlikely]]
      if (auto sense = command.take_attention(); sense.present()) return command.refuse(sense);
    if (slot == nullptr && !attention_allowed(task)) return command.refuse(kNoSuchLun);
    if (task.attribute == TaskAttribute::aca) return command.refuse(kInvalidMessage);
    return select_row(command) && length_sufficient(command) && reserved_bits_clear(command) &&
           access_granted(command) && task.command->plan(command, plan);
  }();
  task.planned = plan.length;
  if (!accepted)
    count_refused(task);
  else if (slot != nullptr)
    enter(task, *slot);
  return accepted;
}

void Nexus::remap(std::vector<LunMapping> units) {
  release_unmapped(units);
  constexpr auto kChanged = bit(UnitAttention::reported_luns_changed);
  std::vector<Slot*> by_number;
  for (const auto& mapping : units) {
    auto same = [&](const Slot* slot) {
      return slot->mapping.unit == mapping.unit && slot->mapping.number == mapping.number;
    };
    auto old = std::ranges::find_if(by_number_, same);
    if (old == by_number_.end()) {
      by_number.push_back(&slot_for(mapping, kNewUnit | kChanged));
      continue;
    }
    (*old)->mapping.read_only = mapping.read_only;
    (*old)->attentions.fetch_or(kChanged, std::memory_order_release);
    by_number.push_back(*old);
  }
  by_number_ = std::move(by_number);
  std::ranges::sort(by_number_, {}, [](const Slot* slot) { return slot->mapping.number; });
  fail_dormant();
}

void Nexus::raise(const LogicalUnit& unit, UnitAttention attention) noexcept {
  for (auto* slot = slots_.load(std::memory_order_acquire); slot != nullptr;
       slot = slot->next.load(std::memory_order_acquire))
    if (slot->unit.load(std::memory_order_acquire) == &unit)
      slot->attentions.fetch_or(bit(attention), std::memory_order_release);
}

std::uint32_t Nexus::pending(std::uint64_t number) const noexcept {
  auto* slot = find(lun_address(number));
  return slot == nullptr ? 0 : slot->attentions.load(std::memory_order_acquire);
}

Nexus::Slot* Nexus::find(std::uint64_t lun_field) const noexcept {
  auto number = lun_number(lun_field);
  if (!number) return nullptr;
  auto at = std::ranges::lower_bound(by_number_, *number, {},
                                     [](const Slot* slot) { return slot->mapping.number; });
  return at != by_number_.end() && (*at)->mapping.number == *number ? *at : nullptr;
}

Nexus::Slot& Nexus::slot_for(const LunMapping& mapping, std::uint32_t attentions) {
  auto* slot = slots_.load(std::memory_order_relaxed);
  while (slot != nullptr && !(slot->retired() && slot->idle()))
    slot = slot->next.load(std::memory_order_relaxed);
  auto fresh = slot == nullptr;
  if (fresh) slot = new Slot;
  slot->mapping = mapping;
  slot->serial = ++last_serial_;
  slot->nexus = this;
  slot->holds_back = false;
  slot->attentions.store(attentions, std::memory_order_relaxed);
  slot->unit.store(mapping.unit.get(), std::memory_order_release);
  if (fresh) {
    slot->next.store(slots_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    slots_.store(slot, std::memory_order_release);
  }
  mapping.unit->attach(*this);
  mapping.unit->tasks().attach(*slot, *this, host_);
  return *slot;
}

void Nexus::release_unmapped(const std::vector<LunMapping>& kept) {
  std::erase_if(by_number_, [&](Slot* slot) {
    auto same = [&](const LunMapping& mapping) {
      return slot->mapping.unit == mapping.unit && slot->mapping.number == mapping.number;
    };
    if (std::ranges::any_of(kept, same)) return false;
    slot->mapping.unit->tasks().detach(*slot);
    slot->mapping.unit->detach(*this);
    slot->unit.store(nullptr, std::memory_order_release);
    if (slot->idle()) slot->forget();
    return true;
  });
}

}  // namespace caisson::scsi

// SPDX-License-Identifier: Apache-2.0
#include "gateway/scsi/command.hpp"

#include <algorithm>
#include <cstring>

#include "gateway/scsi/senses.hpp"
#include "gateway/scsi/unit_attention.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::scsi {

bool Command::write_protected() const noexcept {
  return mapping().read_only || unit().software_write_protect() || object().features().read_only;
}

std::vector<std::uint64_t> Command::numbers() const {
  std::vector<std::uint64_t> numbers;
  for (const auto* slot : nexus_.by_number_) numbers.push_back(slot->mapping.number);
  return numbers;
}

Sense Command::take_attention() const noexcept {
  const auto* row = first_of(slot_->attentions.load(std::memory_order_acquire));
  if (row == nullptr) return {};
  slot_->attentions.fetch_and(~bit(row->attention), std::memory_order_acq_rel);
  return {SenseKey::unit_attention, row->asc, row->ascq};
}

void Command::clear_everywhere(UnitAttention attention) const noexcept {
  for (auto* slot : nexus_.by_number_)
    slot->attentions.fetch_and(~bit(attention), std::memory_order_acq_rel);
}

std::string Command::who() const {
  return "host " + identity().host_name + " (" + identity().initiator_port + ")";
}

void leave_trace(object::StorageObject& object, std::string_view kind, const std::string& text) {
  log::info("LUN {}: {}", object.identity()->name, text);
  object.note(kind, text);
}

bool Command::refuse(const Sense& sense) const noexcept {
  task_.status = Status::check_condition;
  task_.sense = sense;
  task_.data_in_length = 0;
  return false;
}

bool Command::refuse_field(std::uint16_t byte, std::uint8_t bit) const noexcept {
  auto sense = kInvalidField;
  sense.field = FieldPointer{true, byte, bit};
  return refuse(sense);
}

bool Command::refuse_conflict() const noexcept {
  task_.status = Status::reservation_conflict;
  return false;
}

void Command::answer(std::span<const std::byte> data, std::uint64_t limit) const {
  auto length = std::min<std::uint64_t>(data.size(), limit);
  if (length != 0) {
    task_.data_in = Buffer(length);
    std::memcpy(task_.data_in.data(), data.data(), length);
  }
  task_.data_in_length = length;
  finish();
}

}  // namespace caisson::scsi

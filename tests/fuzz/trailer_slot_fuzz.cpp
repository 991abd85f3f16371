// SPDX-License-Identifier: Apache-2.0
// Proves of trailer slots: whatever the bytes, judging them ends without harm;
// a slot is believed only if checksum, position, capacity, UUID and message
// bind each other, and nowhere else than where it stands; a believed slot is
// encoded to bytes that say the same, unknown fields included.
//
// Input: flags (1: the input is header fields and a payload, made into a slot
// with a right checksum, instead of raw bytes; 2: the message's UUID and
// capacity are made to agree; 4: slot 1), then capacity, generation, version,
// shift of the position, payload.
#include <cstring>
#include <vector>

#include "storage_object/base/crc32c.hpp"
#include "storage_object/format/trailer.hpp"
#include "tests/fuzz/input.hpp"

namespace {

using namespace caisson;
using namespace caisson::format;
using fuzz::require;
using Bytes = std::vector<std::byte>;

std::uint64_t number(fuzz::Input& input) {
  std::uint64_t value = 0;
  for (auto b : input.take(8)) value = value << 8 | std::to_integer<std::uint64_t>(b);
  return value;
}

/// The CRC the page docs/format/container.md describes, reckoned here anew.
std::uint32_t checksum(Bytes covered) {
  std::memset(covered.data() + offsetof(SlotHeader, checksum), 0, sizeof(le32));
  return crc32c(covered);
}

struct Found {
  Bytes bytes;
  std::uint64_t position = 0;
};

Found made(fuzz::Input& input, std::uint8_t flags) {
  SlotHeader header{};
  std::memcpy(header.magic.data(), kMagic.data(), kMagic.size());
  header.capacity = number(input);
  header.generation = number(input);
  header.version = static_cast<std::uint16_t>(kVersion + input.byte());
  header.header_length = sizeof header;
  header.uuid.fill(std::byte{7});
  header.compatible = input.byte();
  header.read_only_compatible = input.byte();
  header.incompatible = input.byte();
  auto trailer = header.capacity <= kMaxCapacity ? trailer_position(header.capacity) : 0;
  auto position = slot_position(trailer, flags & 4 ? 1 : 0);
  header.position = position + input.byte();
  auto payload = Bytes(input.rest().begin(), input.rest().end());
  pb::Trailer message;
  if ((flags & 2) != 0 &&
      message.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    message.mutable_identity()->set_uuid(header.uuid.data(), header.uuid.size());
    message.set_capacity(header.capacity);
    payload.resize(message.ByteSizeLong());
    message.SerializeToArray(payload.data(), static_cast<int>(payload.size()));
  }
  payload.resize(std::min(payload.size(), kMaxPayload));
  header.payload_length = static_cast<std::uint32_t>(payload.size());
  Bytes bytes(sizeof header + payload.size());
  store(bytes, header);
  std::ranges::copy(payload, bytes.begin() + sizeof header);
  header.checksum = checksum(bytes);
  store(bytes, header);
  bytes.resize(kSlotSize);
  return {std::move(bytes), position};
}

/// Everything a slot must bind, from its bytes and not from parse_slot's answer.
void check_binding(const Found& found, const Slot& slot) {
  auto header = load<SlotHeader>(found.bytes);
  auto covered =
      Bytes(found.bytes.begin(), found.bytes.begin() + sizeof header + header.payload_length);
  require(checksum(covered) == header.checksum, "the checksum is right");
  require(header.position == found.position, "a slot names its own position");
  require(header.capacity != 0 && header.capacity <= kMaxCapacity, "the capacity is possible");
  auto trailer = trailer_position(header.capacity);
  require(found.position == trailer || found.position == trailer + kSlotSize,
          "the trailer of its capacity stands there");
  require(slot.generation != 0 && slot.generation == header.generation, "it has a generation");
  require(slot.capacity == slot.message.capacity(), "message and header agree on the capacity");
  require(slot.message.identity().uuid() ==
              std::string_view(reinterpret_cast<const char*>(slot.uuid.bytes.data()), 16),
          "message and header agree on the UUID");
}

void check_round_trip(const Slot& slot, unsigned index) {
  auto encoded = encode_slot(slot, index);
  require(encoded.has_value(), "a slot that was read can be written");
  require(encoded->size() % kPadding == 0 && encoded->size() <= kSlotSize, "in whole blocks");
  auto position = slot_position(trailer_position(slot.capacity), index);
  auto again = parse_slot(encoded->span(), position);
  require(again.defect == SlotDefect::none, "what is written is believed");
  require(again.slot.generation == slot.generation && again.slot.uuid == slot.uuid &&
              again.slot.capacity == slot.capacity && again.slot.features == slot.features &&
              again.slot.message.SerializeAsString() == slot.message.SerializeAsString(),
          "and says the same");
  require(parse_slot(encoded->span(), position + kPadding).defect == SlotDefect::misplaced,
          "nowhere else");
  auto at = (slot.generation * 131) % encoded->size();
  auto used = sizeof(SlotHeader) + load<SlotHeader>(encoded->span()).payload_length;
  encoded->data()[at] ^= std::byte{0x10};
  require(at >= used || parse_slot(encoded->span(), position).defect != SlotDefect::none,
          "and not with a bit turned");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  google::protobuf::LogSilencer quiet;  // of text that is no UTF-8
  fuzz::Input input(data, size);
  auto flags = input.byte();
  Found found;
  if ((flags & 1) != 0) {
    found = made(input, flags);
  } else {
    found.position = number(input);
    found.bytes.assign(input.rest().begin(), input.rest().end());
  }
  auto reading = parse_slot(found.bytes, found.position);
  require(!to_string(reading.defect).empty(), "a defect has a name");
  if (reading.defect != SlotDefect::none) return 0;
  check_binding(found, reading.slot);
  check_round_trip(reading.slot, flags & 4 ? 1 : 0);
  return 0;
}

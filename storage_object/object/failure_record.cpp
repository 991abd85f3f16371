// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/failure_record.hpp"

#include <algorithm>
#include <array>
#include <boost/system/errc.hpp>
#include <cstring>

#include "storage_object/base/buffer.hpp"
#include "storage_object/base/byte_order.hpp"
#include "storage_object/base/crc32c.hpp"
#include "storage_object/base/errc.hpp"
#include "storage_object/base/log.hpp"

namespace caisson::object {
namespace {

constexpr const char* kName = "failed-luns";
constexpr std::size_t kSlots = 4096;

struct Slot {
  std::array<char, 8> magic{};
  Uuid uuid;
  be32 checksum;
  std::array<char, 36> zeros{};
};
static_assert(sizeof(Slot) == 64);

constexpr std::array<char, 8> kMagic = {'C', 'A', 'I', 'S', 'F', 'A', 'I', 'L'};

std::uint32_t checksum_of(const Slot& slot) {
  return crc32c(std::as_bytes(std::span(&slot, 1)).first(offsetof(Slot, checksum)));
}

}  // namespace

FailureRecord::FailureRecord(std::unique_ptr<file_store::Store> directory)
    : directory_(std::move(directory)), slots_(kSlots) {
  (void)ready();
}

Result<> FailureRecord::ready() {
  if (file_) return {};
  if (!directory_) return make_error_code(Errc::unsupported);
  auto opened = open();
  if (!opened)
    log::error("{}/{} cannot be used: {}", directory_->location(), kName, opened.error().message());
  return opened;
}

Result<> FailureRecord::open() {
  auto found = directory_->open(kName);
  if (!found && to_errc(found.error()) == Errc::not_found) return make();
  if (!found) return found.error();
  file_ = std::move(*found);
  auto done = read();
  if (!done) file_.reset();
  return done;
}

Result<> FailureRecord::make() {
  auto file = directory_->create_unnamed();
  if (!file) return file.error();
  const std::vector<std::byte> zeros(kSlots * sizeof(Slot));
  if (auto done = file_store::write_at(**file, 0, zeros); !done) return done;
  if (auto done = (*file)->sync_all(); !done) return done;
  if (auto done = directory_->publish(**file, kName); !done) return done;
  if (auto done = directory_->sync_names(); !done) return done;
  file_ = std::move(*file);
  return {};
}

Result<> FailureRecord::read() {
  auto attributes = file_->attributes();
  if (!attributes) return attributes.error();
  std::vector<Slot> slots(kSlots);
  auto bytes = std::as_writable_bytes(std::span(slots));
  if (attributes->size != bytes.size()) return make_error_code(Errc::corrupt);
  if (auto done = file_store::read_at(*file_, 0, bytes); !done) return done;
  for (std::size_t i = 0; i < kSlots; ++i)
    if (slots[i].magic == kMagic && slots[i].checksum == checksum_of(slots[i]))
      slots_[i].uuid = slots[i].uuid;
  return {};
}

std::vector<FailureRecord::Kept>::iterator FailureRecord::place_of(const Uuid& uuid) {
  return std::ranges::find(slots_, uuid, &Kept::uuid);
}

bool FailureRecord::has(const Uuid& uuid) {
  std::lock_guard lock(mutex_);
  (void)ready();
  return place_of(uuid) != slots_.end();
}

Result<> FailureRecord::set(const Uuid& uuid) {
  std::lock_guard lock(mutex_);
  if (auto usable = ready(); !usable) return usable;
  auto at = place_of(uuid);
  if (at == slots_.end()) at = place_of(Uuid{});
  if (at == slots_.end()) return make_error_code(Errc::no_space);
  if (at->uuid == uuid && at->durable) return {};
  return put(static_cast<std::size_t>(at - slots_.begin()), uuid);
}

Result<> FailureRecord::clear(const Uuid& uuid) {
  std::lock_guard lock(mutex_);
  if (!directory_) return {};
  // Nobody ever reads what is no such file.
  if (auto usable = ready(); !usable && to_errc(usable.error()) != Errc::corrupt) return usable;
  for (std::size_t i = 0; i < slots_.size(); ++i)
    if (slots_[i].uuid == uuid)
      if (auto done = put(i, Uuid{}); !done) return done;
  return {};
}

// One that may have been written although that failed must be found by clear().
Result<> FailureRecord::put(std::size_t index, const Uuid& uuid) {
  if (uuid != Uuid{}) slots_[index].uuid = uuid;
  slots_[index].durable = false;
  Slot slot;
  if (uuid != Uuid{}) {
    slot.magic = kMagic;
    slot.uuid = uuid;
    slot.checksum = checksum_of(slot);
  }
  if (auto done =
          file_store::write_at(*file_, index * sizeof slot, std::as_bytes(std::span(&slot, 1)));
      !done)
    return done;
  if (auto done = file_store::sync(*file_); !done) return done;
  slots_[index] = {.uuid = uuid, .durable = true};
  return {};
}

}  // namespace caisson::object

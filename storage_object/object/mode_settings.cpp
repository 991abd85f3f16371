// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/mode_settings.hpp"

#include "storage_object/format/trailer.pb.h"

namespace caisson::object {

using catalog::CacheMode;

ModeValues changed(ModeValues current, ModeValues saved, const ModeChange& change) noexcept {
  auto cache = current.cache;
  auto has_cache = cache != CacheMode::writethrough;
  if (change.write_cache == true && !has_cache)
    cache = saved.cache == CacheMode::writethrough ? CacheMode::writeback : saved.cache;
  if (change.write_cache == false) cache = CacheMode::writethrough;
  return {cache, change.write_protect.value_or(current.write_protect),
          change.descriptor_sense.value_or(current.descriptor_sense),
          change.task_aborted.value_or(current.task_aborted)};
}

void write_modes(format::pb::Trailer& message, const ModeValues& saved) {
  message.set_cache_mode(static_cast<format::pb::CacheMode>(saved.cache));
  if (saved == ModeValues{.cache = saved.cache}) return message.clear_modes();
  message.mutable_modes()->set_write_protect(saved.write_protect);
  message.mutable_modes()->set_descriptor_sense(saved.descriptor_sense);
  message.mutable_modes()->set_task_aborted(saved.task_aborted);
}

ModeValues read_modes(const format::pb::Trailer& message, CacheMode cache) {
  return {cache, message.modes().write_protect(), message.modes().descriptor_sense(),
          message.modes().task_aborted()};
}

}  // namespace caisson::object

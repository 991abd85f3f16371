// SPDX-License-Identifier: Apache-2.0
// What a medium must hold after a command that ended GOOD, decoded from its CDB
// by SBC-3 and independently of the termination.
#pragma once

#include <cstring>
#include <vector>

#include "gateway/scsi/task.hpp"
#include "storage_object/base/byte_order.hpp"
#include "tests/fuzz/input.hpp"

namespace caisson::fuzz {

class BlockModel {
 public:
  /// `medium` is the object's memory, looked at after each command.
  BlockModel(const std::vector<std::byte>& medium, std::uint32_t block)
      : medium_(medium), block_(block), bytes_(medium) {}

  /// A command ended. `uncertain`: others ran beside it, or requests failed, so
  /// the medium's word is taken for what it may have changed.
  void after(const scsi::Task& task, std::uint64_t planned, bool uncertain) {
    if (uncertain) {
      bytes_ = medium_;
      return;
    }
    if (task.status == scsi::Status::good) apply(task, planned);
    require(bytes_.size() == medium_.size() &&
                std::memcmp(bytes_.data(), medium_.data(), bytes_.size()) == 0,
            "the medium holds what was written and nothing else");
  }

 private:
  struct Range {
    std::uint64_t offset = 0, length = 0;
  };

  void apply(const scsi::Task& task, std::uint64_t planned) {
    switch (std::to_integer<unsigned>(task.cdb[0])) {
      case 0x0a:
      case 0x2a:
      case 0x2e:
      case 0x8a:
      case 0x8e:
      case 0xaa:
      case 0xae: return write(task, planned);
      case 0x41:
      case 0x93: return write_same(task, planned);
      case 0x42: return unmap(task);
      case 0x08:
      case 0x28:
      case 0x88:
      case 0xa8: return read(task);
      default: return;
    }
  }

  Range range_of(const scsi::Task& task) const {
    std::span<const std::byte> cdb(task.cdb);
    auto opcode = std::to_integer<unsigned>(cdb[0]);
    std::uint64_t lba = 0, blocks = 0;
    if (opcode < 0x20) {
      lba = load<be24>(cdb.subspan(1)) & 0x1fffff;
      blocks = std::to_integer<unsigned>(cdb[4]);
      if (blocks == 0) blocks = 256;
    } else if (opcode < 0x80) {
      lba = load<be32>(cdb.subspan(2));
      blocks = load<be16>(cdb.subspan(7));
    } else if (opcode < 0xa0) {
      lba = load<be64>(cdb.subspan(2));
      blocks = load<be32>(cdb.subspan(10));
    } else {
      lba = load<be32>(cdb.subspan(2));
      blocks = load<be32>(cdb.subspan(6));
    }
    return {lba * block_, blocks * block_};
  }

  std::span<std::byte> at(Range range) {
    require(range.offset <= bytes_.size() && range.length <= bytes_.size() - range.offset,
            "a range beyond the end is never GOOD");
    return std::span(bytes_).subspan(range.offset, range.length);
  }

  void write(const scsi::Task& task, std::uint64_t planned) {
    auto range = range_of(task);
    at(range);
    require(planned == range.length, "the plan is the CDB's length");
    range.length = std::min(range.length, task.data_out_length);
    if (range.length != 0) std::memcpy(at(range).data(), task.data_out.data(), range.length);
  }

  /// 0 blocks reach to the end; without a pattern, or with NDOB, zeros.
  void write_same(const scsi::Task& task, std::uint64_t planned) {
    auto range = range_of(task);
    if (range.length == 0 && range.offset <= bytes_.size())
      range.length = bytes_.size() - range.offset;
    auto to = at(range);
    repeat(planned == 0 ? std::span<const std::byte>{} : task.data_out.span().first(block_), to);
  }

  /// The medium in memory reads as zeros where it was unmapped.
  void unmap(const scsi::Task& task) {
    auto list = task.data_out.span();
    if (list.empty()) return;
    std::size_t length = load<be16>(list.subspan(2));
    for (std::size_t i = 8; i + 16 <= 8 + length; i += 16) {
      auto lba = std::uint64_t{load<be64>(list.subspan(i))};
      std::uint64_t blocks = load<be32>(list.subspan(i + 8));
      std::ranges::fill(at({lba * block_, blocks * block_}), std::byte{0});
    }
  }

  void read(const scsi::Task& task) {
    auto range = range_of(task);
    auto expected = at(range);
    require(task.data_in_length == range.length, "a READ returns all it was asked for");
    require(
        range.length == 0 || std::memcmp(expected.data(), task.data_in.data(), range.length) == 0,
        "a READ returns what was written");
  }

  const std::vector<std::byte>& medium_;
  std::uint32_t block_;
  std::vector<std::byte> bytes_;
};

}  // namespace caisson::fuzz

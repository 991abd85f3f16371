// SPDX-License-Identifier: Apache-2.0
// What a medium must hold after a command that ended GOOD or in MISCOMPARE,
// decoded from its CDB by SBC-3 and independently of the termination.
#pragma once

#include <algorithm>
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
    if (task.sense.key == scsi::SenseKey::miscompare) expect_difference(task, planned);
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
      case 0x8b: return set_bits(task, planned);
      case 0x89: return compare_and_write(task, planned);
      case 0x2f:
      case 0x8f:
      case 0xaf: return verify(task, planned);
      case 0x41:
      case 0x93: return write_same(task, planned);
      case 0x42: return unmap(task);
      case 0x04: std::ranges::fill(bytes_, std::byte{0}); return;
      case 0x48: return sanitize(task);
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

  /// ORWRITE: the medium keeps its ones and gets those of the data.
  void set_bits(const scsi::Task& task, std::uint64_t planned) {
    auto range = range_of(task);
    at(range);
    require(planned == range.length, "the plan is the CDB's length");
    range.length = std::min(range.length, task.data_out_length);
    auto to = at(range);
    for (std::size_t i = 0; i < to.size(); ++i) to[i] |= task.data_out.data()[i];
  }

  /// NUMBER OF LOGICAL BLOCKS is byte 13, and the data twice as long.
  Range compared(const scsi::Task& task) const {
    std::span<const std::byte> cdb(task.cdb);
    auto blocks = std::to_integer<std::uint64_t>(cdb[13]);
    return {load<be64>(cdb.subspan(2)) * block_, blocks * block_};
  }

  void compare_and_write(const scsi::Task& task, std::uint64_t planned) {
    auto range = compared(task);
    auto to = at(range);
    require(planned == 2 * range.length, "what is compared and what is written both come");
    require(task.data_out_length >= planned, "and nothing less is GOOD");
    auto data = task.data_out.span();
    require(std::ranges::equal(to, data.first(to.size())),
            "what is replaced was what was expected");
    std::ranges::copy(data.subspan(to.size(), to.size()), to.begin());
  }

  /// True if the medium is what the data of a VERIFY says; BYTCHK is 1 or 3.
  bool as_verified(const scsi::Task& task, std::uint64_t planned) {
    auto there = at(range_of(task));
    auto data = task.data_out.span().first(planned);
    for (std::size_t i = 0; i < there.size(); ++i)
      if (there[i] != data[i % planned]) return false;
    return true;
  }

  /// Without BYTCHK nothing is compared, and no data comes.
  void verify(const scsi::Task& task, std::uint64_t planned) {
    auto range = range_of(task);
    at(range);
    auto check = std::to_integer<unsigned>(task.cdb[1]) >> 1 & 3;
    auto wanted = check == 1 ? range.length : check == 3 && range.length != 0 ? block_ : 0;
    require(planned == wanted, "BYTCHK says how much data a VERIFY takes");
    require(planned == 0 || as_verified(task, planned), "a VERIFY that is GOOD found what it got");
  }

  /// A miscompare changes nothing, and there is one.
  void expect_difference(const scsi::Task& task, std::uint64_t planned) {
    if (std::to_integer<unsigned>(task.cdb[0]) != 0x89)
      return require(planned != 0 && !as_verified(task, planned), "a miscompare is one");
    auto there = at(compared(task));
    auto differs = std::ranges::mismatch(there, task.data_out.span()).in1;
    require(differs != there.end(), "a miscompare is one");
    require(task.sense.information == static_cast<std::uint64_t>(differs - there.begin()),
            "INFORMATION is the offset of the first byte that differs");
  }

  /// Without a pattern (NDOB) zeros; 0 blocks are refused (WSNZ).
  void write_same(const scsi::Task& task, std::uint64_t planned) {
    auto range = range_of(task);
    require(range.length != 0, "a WRITE SAME of no blocks is never GOOD");
    auto to = at(range);
    repeat(planned == 0 ? std::span<const std::byte>{} : task.data_out.span().first(block_), to);
  }

  /// BLOCK ERASE leaves zeros; OVERWRITE the pattern of its list in each block,
  /// inverted between passes where that is asked for.
  void sanitize(const scsi::Task& task) {
    auto action = std::to_integer<unsigned>(task.cdb[1]) & 0x1f;
    if (action == 2) std::ranges::fill(bytes_, std::byte{0});
    if (action != 1) return;
    auto list = task.data_out.span();
    auto flags = std::to_integer<unsigned>(list[0]);
    auto inverted = (flags & 0x80) != 0 && (flags & 0x1f) % 2 == 0;
    auto pattern = list.subspan(4, load<be16>(list.subspan(2)));
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      auto byte = pattern[i % block_ % pattern.size()];
      bytes_[i] = inverted ? ~byte : byte;
    }
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

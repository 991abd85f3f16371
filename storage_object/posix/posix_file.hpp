// SPDX-License-Identifier: Apache-2.0
// An open file of a local file system.
#pragma once

#include <memory>

#include "storage_object/file_store/file.hpp"
#include "storage_object/posix/operation.hpp"
#include "storage_object/posix/system.hpp"
#include "storage_object/posix/unnamed.hpp"

namespace caisson::posix {

/// file_store::File over a descriptor, which it owns. Destroy it only when
/// nothing submitted is outstanding. Opened past the page cache, offset and
/// length must be multiples of traits().direct_alignment (EINVAL); memory need
/// not be: unaligned memory is copied through an aligned buffer.
class PosixFile final : public file_store::File {
 public:
  /// `traits.direct` says how the descriptor was opened; `hidden` is the name
  /// that a file without one goes by, if any.
  PosixFile(UniqueFd descriptor, const file_store::FileTraits& traits,
            std::unique_ptr<HiddenName> hidden = nullptr);
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  void submit(FileRequest& request) override;
  const file_store::FileTraits& traits() const noexcept override { return traits_; }
  Result<file_store::FileAttributes> attributes() override;
  Result<> resize(std::uint64_t size) override;
  Result<> sync_all() override;
  Result<> drop_cache() override;
  /// EBADF on a file opened read-only.
  Result<> lock_owner() override;
  Result<> hold_off_owner() override;
  Result<> release_owner() override;
  Result<> clone_range(file_store::File& source, std::uint64_t from, std::uint64_t length,
                       std::uint64_t to) override;
  Result<file_store::MapPage> extent_map(std::uint64_t offset, std::uint64_t length,
                                         std::span<file_store::MapExtent> room) override;
  Result<std::uint64_t> seek_data(std::uint64_t offset, std::uint64_t length) override;
  Result<std::size_t> count_extents(std::uint64_t offset, std::uint64_t length,
                                    std::size_t most) override;
  void write_back(std::span<const file_store::ByteRange> ranges) override;
  Result<> set_read_only() override;
  Result<> set_writable() override;

  int descriptor() const noexcept { return descriptor_.number; }
  HiddenName* hidden() const noexcept { return hidden_.get(); }

 private:
  Result<> lock(short type);
  Result<> set_mode(unsigned mode);

  Descriptor descriptor_;
  file_store::FileTraits traits_;
  UniqueFd owned_;
  std::unique_ptr<HiddenName> hidden_;
};

}  // namespace caisson::posix

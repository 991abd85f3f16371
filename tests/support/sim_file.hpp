// SPDX-License-Identifier: Apache-2.0
// A handle of a file in a SimStore. Included by the simulation only.
#pragma once

#include "tests/support/sim_core.hpp"

namespace caisson::tests {

class SimFile final : public file_store::File {
 public:
  /// With the core's lock held.
  SimFile(std::shared_ptr<SimCore> core, SimNodePtr node, file_store::OpenOptions options);
  ~SimFile() override;

  void submit(file_store::FileRequest& request) override;
  const file_store::FileTraits& traits() const noexcept override { return traits_; }
  Result<file_store::FileAttributes> attributes() override;
  Result<> resize(std::uint64_t size) override;
  Result<> sync_all() override;
  Result<> drop_cache() override;
  Result<> lock_owner() override;
  Result<> hold_off_owner() override;
  Result<> release_owner() override;
  Result<> clone_range(file_store::File& source, std::uint64_t from, std::uint64_t length,
                       std::uint64_t to) override;
  Result<file_store::MapPage> extent_map(std::uint64_t offset, std::uint64_t length,
                                         std::span<file_store::MapExtent> room) override;
  /// Makes nothing durable that a cut would not sometimes have kept anyway.
  void write_back(std::span<const file_store::ByteRange> ranges) override;
  Result<std::size_t> count_extents(std::uint64_t offset, std::uint64_t length,
                                    std::size_t most) override;
  Result<> set_read_only() override { return set_mode(true); }
  Result<> set_writable() override { return set_mode(false); }

  const std::shared_ptr<SimCore>& core() const noexcept { return core_; }
  const SimNodePtr& node() const noexcept { return node_; }

  /// Performs a request that hung, on the thread that shall complete it.
  static void resume(SimCore& core, const SimCore::Hung& hung);

 private:
  Error check(const file_store::FileRequest& request) const;
  /// With the core's lock held.
  Error check_clone(const SimFile& source, std::uint64_t from, std::uint64_t length,
                    std::uint64_t to) const;
  Error check_map(std::uint64_t offset, std::uint64_t length);
  Result<> set_mode(bool read_only);
  /// With the core's lock held.
  Error execute(file_store::FileRequest& request, const SimVerdict& verdict);
  Error hear_of_writeback();
  void lose(const Error& error);

  std::shared_ptr<SimCore> core_;
  SimNodePtr node_;
  file_store::FileTraits traits_;
  bool read_only_;
  bool holds_off_ = false;
  std::uint64_t handle_;
  std::uint64_t heard_;  ///< failed writebacks of the node
};

}  // namespace caisson::tests

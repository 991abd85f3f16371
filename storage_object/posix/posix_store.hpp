// SPDX-License-Identifier: Apache-2.0
// A directory of a local file system as a store.
#pragma once

#include <filesystem>
#include <memory>

#include "storage_object/file_store/store.hpp"
#include "storage_object/posix/posix_file.hpp"
#include "storage_object/posix/system.hpp"
#include "storage_object/posix/unnamed.hpp"

namespace caisson::posix {

struct PosixStoreOptions {
  /// False: behave as on a file system without O_TMPFILE, where an unnamed file
  /// has a hidden name (".caisson-unnamed-…") until it is published.
  bool use_tmpfile = true;
};

/// file_store::Store over a directory. Thread-safe once prepared: it keeps no other
/// mutable state.
/// Errors beyond the port's: ENOSYS from at() where the kernel has no
/// openat2(2) (before Linux 5.6).
class PosixStore final : public file_store::Store {
 public:
  using Options = PosixStoreOptions;

  /// Opens an existing directory (its own path may contain links: it is the
  /// administrator's), removes what a crashed process left unnamed, and tries
  /// out what the file system can do.
  static Outcome<std::unique_ptr<PosixStore>> at(const std::filesystem::path& directory,
                                                 Options options = {});
  /// The same without the last two, which prepare() does: nothing in the directory
  /// is touched yet.
  static Outcome<std::unique_ptr<PosixStore>> look_at(const std::filesystem::path& directory,
                                                      Options options = {});
  Outcome<> prepare() override;

  Result<std::unique_ptr<file_store::File>> open(std::string_view name,
                                                 file_store::OpenOptions options) override;
  Result<file_store::FileAttributes> look_up(std::string_view name) override;
  Result<std::unique_ptr<file_store::File>> create_unnamed(
      file_store::OpenOptions options) override;
  Result<> publish(file_store::File& file, std::string_view name) override;
  /// EOPNOTSUPP where the file system has no RENAME_NOREPLACE.
  Result<> rename(std::string_view from, std::string_view to) override;
  Result<> remove(std::string_view name) override;
  Result<> make_directory(std::string_view name) override;
  Result<> sync_names(std::string_view directory) override;
  Result<std::vector<file_store::DirectoryEntry>> list(std::string_view directory) override;
  Result<file_store::Space> space() override;
  const file_store::FileTraits& traits() const noexcept override { return traits_; }
  std::string location() const override { return location_; }

 private:
  PosixStore(UniqueFd root, std::string location, Options options)
      : root_(std::move(root)), location_(std::move(location)), options_(options) {}

  std::unique_ptr<file_store::File> wrap(UniqueFd descriptor, file_store::OpenOptions options,
                                         std::unique_ptr<HiddenName> hidden = nullptr);
  Result<> probe();
  Result<> probe_clone();

  UniqueFd root_;
  std::string location_;
  Options options_;
  file_store::FileTraits traits_;
  bool prepared_ = false;
};

}  // namespace caisson::posix

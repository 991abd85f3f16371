// SPDX-License-Identifier: Apache-2.0
// A place that holds containers: names, space, and what it can do.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage_object/base/result.hpp"
#include "storage_object/file_store/file.hpp"

namespace caisson::file_store {

struct OpenOptions {
  bool read_only = false;
  bool direct = false;  ///< past the page cache; EINVAL where the store cannot
  bool linked = false;  ///< also a file that has several names
};

struct Space {
  std::uint64_t capacity = 0;   ///< bytes
  std::uint64_t available = 0;  ///< bytes an unprivileged writer may still take
};

struct DirectoryEntry {
  std::string name;
  bool regular = false;
};

/// A directory tree. Names are relative to it ("a.img", ".snapshots/a/b.img"),
/// never absolute, never with "..". Nothing outside is ever reached: symbolic
/// links and mount points are not followed (ELOOP, EXDEV), and only regular
/// files with one link are opened (EINVAL, EMLINK; OpenOptions::linked). Blocking: control threads.
///
/// Errors are system errors. Changes of names are durable after sync_names().
class Store {
 public:
  virtual ~Store() = default;
  /// Finds out what can be done here, and removes what a crashed process left
  /// unnamed. Before it only reading is allowed, and traits() say nothing; for a
  /// store whose maker did it already, or that needs none, it changes nothing.
  virtual Outcome<> prepare() { return {}; }
  /// EACCES for writing where the file's mode lets nobody, unless as root.
  virtual Result<std::unique_ptr<File>> open(std::string_view name, OpenOptions options = {}) = 0;
  /// What bears that name now, without opening it: ENOENT, ELOOP, EXDEV, and EINVAL
  /// where it is no regular file. One with several links is told by `links`.
  virtual Result<FileAttributes> look_up(std::string_view name) = 0;
  /// A new empty file with mode 0640 that has no name yet: it vanishes with its
  /// last handle (or at the next start) unless publish() names it.
  virtual Result<std::unique_ptr<File>> create_unnamed(OpenOptions options = {}) = 0;
  /// Gives a file from create_unnamed() its name, once (EINVAL afterwards); EEXIST
  /// if that is taken.
  virtual Result<> publish(File& file, std::string_view name) = 0;
  /// A file, or a directory with all that is in it. Never replaces: EEXIST if `to` is
  /// taken. EINVAL for a directory into itself.
  virtual Result<> rename(std::string_view from, std::string_view to) = 0;
  /// A file, or an empty directory (ENOTEMPTY). Open handles keep a file's data.
  virtual Result<> remove(std::string_view name) = 0;
  /// Present already: success. What it lies in must be there (ENOENT).
  virtual Result<> make_directory(std::string_view name) = 0;
  /// Makes the names directly inside `directory` ("" is the root) durable.
  virtual Result<> sync_names(std::string_view directory = "") = 0;
  virtual Result<std::vector<DirectoryEntry>> list(std::string_view directory = "") = 0;
  virtual Result<Space> space() = 0;
  /// What a file made here can do, found once by trying on an unnamed file;
  /// `direct` says whether OpenOptions::direct is possible.
  virtual const FileTraits& traits() const noexcept = 0;
  /// Where it is, for administrators: the directory's path.
  virtual std::string location() const = 0;
};

}  // namespace caisson::file_store

// SPDX-License-Identifier: Apache-2.0
#include "storage_object/posix/posix_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "storage_object/base/errc.hpp"
#include "storage_object/posix/beneath.hpp"
#include "storage_object/posix/listing.hpp"
#include "storage_object/posix/probe.hpp"

namespace caisson::posix {

using file_store::DirectoryEntry;
using file_store::File;
using file_store::OpenOptions;
using file_store::Space;

namespace {

struct Place {
  UniqueFd directory;
  std::string leaf;
};

/// Where a name lives: its directory, opened beneath the root, and last part.
Result<Place> locate(int root, std::string_view name) {
  if (auto bad = check_name(name); bad) return bad;
  auto [directory, leaf] = split_name(name);
  auto opened = open_directory(root, directory);
  if (!opened) return opened.error();
  return Place{std::move(*opened), std::move(leaf)};
}

int open_flags(OpenOptions options) {
  return (options.read_only ? O_RDONLY : O_RDWR) | (options.direct ? O_DIRECT : 0);
}

Failure cannot_open(const std::string& location, const Error& error) {
  return {error, "store directory " + location + " cannot be opened: " + error.message(),
          error == Error(ENOSYS, boost::system::system_category())
              ? "Linux 5.6 or later is needed (openat2)"
              : "check that it exists and that caissond may read and write it"};
}

}  // namespace

Outcome<std::unique_ptr<PosixStore>> PosixStore::at(const std::filesystem::path& directory,
                                                    Options options) {
  auto store = look_at(directory, options);
  if (!store) return store.error();
  if (auto done = (*store)->prepare(); !done) return done.error();
  return store;
}

Outcome<std::unique_ptr<PosixStore>> PosixStore::look_at(const std::filesystem::path& directory,
                                                         Options options) {
  auto location = directory.string();
  UniqueFd root(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (root.get() < 0) return cannot_open(location, last_error());
  if (auto beneath = open_directory(root.get(), ""); !beneath)
    return cannot_open(location, beneath.error());
  return std::unique_ptr<PosixStore>(new PosixStore(std::move(root), location, options));
}

Outcome<> PosixStore::prepare() {
  if (prepared_) return {};
  remove_abandoned(root_.get());
  if (auto probed = probe(); !probed)
    return Failure{
        probed.error(),
        "no file can be made in store directory " + location_ + ": " + probed.error().message(),
        "check its permissions, its quota and its free space"};
  prepared_ = true;
  return {};
}

Result<> PosixStore::probe() {
  auto file = make_unnamed(root_.get(), O_RDWR, options_.use_tmpfile);
  if (!file) return file.error();
  traits_ = probe_traits(file->descriptor.get());
  auto direct = make_unnamed(root_.get(), O_RDWR | O_DIRECT, options_.use_tmpfile);
  auto alignment = direct ? probe_direct_alignment(direct->descriptor.get()) : 0;
  traits_.direct = alignment != 0;
  if (traits_.direct) traits_.direct_alignment = alignment;
  return probe_clone();
}

Result<> PosixStore::probe_clone() {
  auto source = make_unnamed(root_.get(), O_RDWR, options_.use_tmpfile);
  if (!source) return source.error();
  auto target = make_unnamed(root_.get(), O_RDWR, options_.use_tmpfile);
  if (!target) return target.error();
  traits_.clone = clone_works(source->descriptor.get(), target->descriptor.get(), traits_.block);
  return {};
}

std::unique_ptr<File> PosixStore::wrap(UniqueFd descriptor, OpenOptions options,
                                       std::unique_ptr<HiddenName> hidden) {
  auto traits = traits_;
  traits.direct = options.direct;
  return std::make_unique<PosixFile>(std::move(descriptor), traits, std::move(hidden));
}

Result<std::unique_ptr<File>> PosixStore::open(std::string_view name, OpenOptions options) {
  if (options.direct && !traits_.direct) return system_error(EINVAL);
  auto descriptor = open_regular(root_.get(), name, open_flags(options), options.linked);
  if (!descriptor) return descriptor.error();
  return wrap(std::move(*descriptor), options);
}

Result<file_store::FileAttributes> PosixStore::look_up(std::string_view name) {
  return posix::look_up(root_.get(), name);
}

Result<std::unique_ptr<File>> PosixStore::create_unnamed(OpenOptions options) {
  if (options.direct && !traits_.direct) return system_error(EINVAL);
  options.read_only = false;
  auto file = make_unnamed(root_.get(), open_flags(options), options_.use_tmpfile);
  if (!file) return file.error();
  return wrap(std::move(file->descriptor), options, std::move(file->hidden));
}

Result<> PosixStore::publish(File& file, std::string_view name) {
  auto* own = dynamic_cast<PosixFile*>(&file);
  if (own == nullptr) return system_error(EINVAL);
  auto place = locate(root_.get(), name);
  if (!place) return place.error();
  auto directory = place->directory.get();
  auto error = own->hidden() != nullptr ? own->hidden()->move_to(directory, place->leaf)
                                        : link_unnamed(own->descriptor(), directory, place->leaf);
  if (error) return error;
  return {};
}

Result<> PosixStore::rename(std::string_view from, std::string_view to) {
  auto source = locate(root_.get(), from);
  if (!source) return source.error();
  auto target = locate(root_.get(), to);
  if (!target) return target.error();
  // EINVAL would mean two things; see below.
  if (to.starts_with(std::string(from) + "/")) return system_error(EINVAL);
  if (::renameat2(source->directory.get(), source->leaf.c_str(), target->directory.get(),
                  target->leaf.c_str(), RENAME_NOREPLACE) == 0)
    return {};
  // EINVAL also means a directory moved into itself, which was excluded.
  return system_error(errno == EINVAL || errno == ENOSYS ? EOPNOTSUPP : errno);
}

Result<> PosixStore::remove(std::string_view name) {
  auto place = locate(root_.get(), name);
  if (!place) return place.error();
  auto fd = place->directory.get();
  if (::unlinkat(fd, place->leaf.c_str(), 0) == 0) return {};
  if (errno != EISDIR || ::unlinkat(fd, place->leaf.c_str(), AT_REMOVEDIR) != 0)
    return last_error();
  return {};
}

Result<> PosixStore::make_directory(std::string_view name) {
  auto place = locate(root_.get(), name);
  if (!place) return place.error();
  if (::mkdirat(place->directory.get(), place->leaf.c_str(), 0750) == 0) return {};
  if (errno != EEXIST) return last_error();
  auto present = open_directory(root_.get(), name);
  if (!present) return present.error();
  return {};
}

Result<> PosixStore::sync_names(std::string_view directory) {
  auto opened = open_directory(root_.get(), directory);
  if (!opened) return opened.error();
  if (retried([&] { return ::fsync(opened->get()); }) != 0) return last_error();
  return {};
}

Result<std::vector<DirectoryEntry>> PosixStore::list(std::string_view directory) {
  auto opened = open_directory(root_.get(), directory);
  if (!opened) return opened.error();
  return list_entries(std::move(*opened), Listed::visible);
}

Result<Space> PosixStore::space() {
  struct statvfs status {};
  if (::fstatvfs(root_.get(), &status) != 0) return last_error();
  return Space{.capacity = status.f_blocks * status.f_frsize,
               .available = status.f_bavail * status.f_frsize};
}

}  // namespace caisson::posix

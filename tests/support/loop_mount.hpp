// SPDX-License-Identifier: Apache-2.0
// A small file system of a chosen kind, in an image or in memory.
#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temp_dir.hpp"

namespace caisson::tests {

/// Mounted in a mount namespace that goes with the process, so that a test that
/// dies leaves nothing behind. Needs root, and a loop device but for tmpfs: ask
/// mounted(), and skip.
class LoopMount {
 public:
  static constexpr const char* kWhySkipped = "needs root, a loop device and the tools of ";

  /// "xfs", "btrfs", "ext4", "tmpfs"; `options` as for mount -o.
  explicit LoopMount(const std::string& type, const std::string& options = "") {
    std::filesystem::create_directories(where());
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      return;
    mounted_ = type == "tmpfs" ? run("mount -t tmpfs -o size=64m tmpfs " + where())
                               : make(type) && run("mount -t " + type + " -o loop" +
                                                   (options.empty() ? "" : "," + options) + " " +
                                                   image() + " " + where());
  }
  ~LoopMount() {
    if (mounted_) run("umount -l " + where());
  }
  LoopMount(const LoopMount&) = delete;
  LoopMount& operator=(const LoopMount&) = delete;

  bool mounted() const noexcept { return mounted_; }
  std::string where() const { return directory_.path() / "mounted"; }

 private:
  static constexpr std::uintmax_t kSize = std::uintmax_t{320} << 20;  // the least that xfs takes

  static bool run(const std::string& command) {
    return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
  }
  std::string image() const { return directory_.path() / "image"; }
  bool make(const std::string& type) const {
    if (!std::ofstream(image())) return false;
    std::error_code failed;
    std::filesystem::resize_file(image(), kSize, failed);
    return !failed && run("PATH=$PATH:/sbin:/usr/sbin mkfs." + type + " -q " +
                          (type == "ext4" ? "-F " : "-f ") + image());
  }

  TempDir directory_;
  bool mounted_ = false;
};

}  // namespace caisson::tests

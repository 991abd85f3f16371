// SPDX-License-Identifier: Apache-2.0
// One inode of a SimStore: what programs see of it, what the disk has of it,
// and the changes between the two.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/sim_bytes.hpp"
#include "tests/support/sim_random.hpp"

namespace caisson::tests {

/// What a cut does to changes that were not made durable.
struct CutPolicy {
  unsigned keep_percent = 50;     ///< of changes survive
  unsigned tear_percent = 20;     ///< of changes survive in part
  std::uint64_t tear_size = 512;  ///< bytes that are written entirely or not at all
};

/// The data and the size of a file. Changes reach the live side at once and the
/// durable side when a sync covers them.
class SimData {
 public:
  const SimBytes& live() const noexcept { return live_; }
  std::uint64_t size() const noexcept { return size_; }

  void write(std::uint64_t offset, std::span<const std::byte> from);
  void punch(std::uint64_t offset, std::uint64_t length);
  void zero(std::uint64_t offset, std::uint64_t length);
  void allocate(std::uint64_t offset, std::uint64_t length);
  void resize(std::uint64_t size);
  void set_read_only(bool read_only) noexcept { read_only_ = read_only; }
  bool read_only() const noexcept { return read_only_; }

  /// What the range holds, for clone(): as Linux has it, after the dirty pages were
  /// written back. Pages that a failed writeback lost are cloned as the disk has them.
  std::shared_ptr<const SimBytes> share(std::uint64_t offset, std::uint64_t length);
  /// `pages` from `from` on come to lie at `to`. A part of a page at the end is the
  /// whole one: nothing follows in either file.
  void clone(std::shared_ptr<const SimBytes> pages, std::uint64_t from, std::uint64_t length,
             std::uint64_t to);

  /// fdatasync: all data, and the changes of the size that came before the last
  /// data. A later resize() is not covered, as POSIX has it, nor is the mode.
  void sync_data();
  /// fsync.
  void sync_all();
  /// What RWF_DSYNC does for the write just made: it alone, and the size.
  void sync_last_write();
  /// A failed fsync or fdatasync: the data changes count as clean and never
  /// reach the disk.
  void lose_data();
  /// The same for the write just made.
  void lose_last_write();

  /// What counts as clean is read from the disk again: lost data shows.
  void drop_clean();

  /// What a machine finds after the power came back.
  SimData after_cut(SimRandom& random, const CutPolicy& policy) const;

 private:
  enum class Kind { write, punch, zero, clone, allocate, size };
  struct Change {
    Kind kind = Kind::write;
    std::uint64_t offset = 0;  ///< of Kind::size: the new size
    std::uint64_t length = 0;
    std::shared_ptr<const std::vector<std::byte>> data = {};
    std::shared_ptr<const SimBytes> pages = {};  ///< of Kind::clone
    std::uint64_t data_offset = 0;               ///< in either
  };
  using Changes = std::deque<Change>;

  static bool is_data(const Change& change) noexcept { return change.kind < Kind::allocate; }
  static void apply(SimBytes& bytes, const Change& change);
  static Change part(const Change& change, std::uint64_t from, std::uint64_t to);
  static void apply_torn(SimBytes& bytes, const Change& change, SimRandom& random,
                         std::uint64_t tear_size);
  void set_durable_size(std::uint64_t size);
  SimBytes on_disk() const;
  void adopt(const Change& change);
  void commit(std::size_t count);
  void clip(std::size_t count, std::uint64_t from, std::uint64_t to);
  void commit_sizes(std::size_t count);
  std::size_t last_data() const noexcept;

  SimBytes live_;
  std::uint64_t size_ = 0;
  SimBytes durable_;
  std::uint64_t durable_size_ = 0;
  Changes changes_;    ///< in the order they were made
  bool lost_ = false;  ///< programs see what neither the disk nor a change has
  bool read_only_ = false;
  bool durable_read_only_ = false;
};

enum class SimKind { file, directory, symbolic_link, fifo };

struct SimNode {
  std::uint64_t id = 0;
  SimKind kind = SimKind::file;
  SimData data;
  std::uint64_t links = 0;       ///< live names
  std::uint64_t handles = 0;     ///< open files
  bool linkable = false;         ///< made without a name and not published yet
  std::uint64_t owner_lock = 0;  ///< handle that holds it; 0: none
  /// Writebacks that failed behind everybody's back: every handle that was open
  /// then hears of the last one once; one opened later does while nobody has.
  struct Writeback {
    std::uint64_t failures = 0;
    int error = 0;
    bool heard = true;
  } writeback;
  unsigned held_off = 0;  ///< handles that hold the shared form
  std::map<std::string, std::shared_ptr<SimNode>, std::less<>> children;
  std::map<std::string, std::shared_ptr<SimNode>, std::less<>> durable_children;
};

}  // namespace caisson::tests

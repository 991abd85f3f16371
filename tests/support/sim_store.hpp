// SPDX-License-Identifier: Apache-2.0
// A store in memory whose power can be cut. The basis of the power-cut tests.
//
// What a program writes reaches the "page cache" at once: every reader sees it,
// and so does every other handle. It reaches the "disk" only when the program
// makes it durable. power_cut(seed) builds the store that a machine would find
// after the power came back, from the disk and any subset of the rest; the
// store it is called on stays as it is, so that one run of a program can be cut
// at the same moment in many ways. All of it depends on the seed alone, never on
// time, addresses or threads (as long as the program itself is deterministic).
//
// What survives a cut for certain:
//  - data covered by a FileOp::sync or sync_all() that succeeded, or written by
//    a durable write that succeeded, and as much of the file's size as reading
//    that data needs;
//  - every change of a size, and of the mode, covered by sync_all();
//  - every name covered by a sync_names() of the directory it is in.
// What may survive or not, each on its own and in any combination:
//  - every other clone, entirely or torn at pages, until the file that it was made
//    in is synced, whatever happens to the file it came from: as btrfs has it;
//  - every other write, punch and zero, entirely or torn at sectors of
//    `tear_size`; of overlapping ones the newer wins if both survive;
//  - every other size: a prefix of its changes survives, whether or not the data
//    does. A file may be longer with zeros instead of data, or shorter;
//  - every other name. A file published in a directory that was not synced may
//    vanish even if the file itself was synced; sync_all() makes no name
//    durable. Changes to the same name or of the same file survive in order: a
//    rename loses neither the old nor the new name, unless its publish is lost.
// Stricter than any one file system: fdatasync does not cover a resize() made
// after the last data, as POSIX permits. What is not modelled: data of one file
// appearing in another, bit rot, a disk that ignores flushes.
//
// A failed sync is as Linux has it: the pages count as clean, so that later
// syncs succeed without them; programs still read them, a cut loses them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage_object/file_store/store.hpp"
#include "tests/support/sim_node.hpp"

namespace caisson::tests {

/// Every kind of operation. Those up to sync_names change what a cut may find
/// and are numbered; the rest is not.
enum class SimOp {
  write,
  punch,
  zero,
  allocate,
  clone,
  sync,
  resize,
  set_mode,
  sync_all,
  create,
  publish,
  rename,
  remove,
  make_directory,
  sync_names,
  read,
  extents,
  attributes,
  lock,
  open,
  list,
  space,
  look_up,
  map,
  write_back,
};

struct SimOptions {
  file_store::FileTraits traits{.punch = true, .zero = true, .allocate = true, .direct = true};
  std::uint64_t capacity = std::uint64_t{1} << 40;  ///< bytes; ENOSPC beyond
  std::uint64_t tear_size = 512;                    ///< bytes that are never torn
  bool maps = true;  ///< File::extent_map() and count_extents() are there
  /// Of the extents that a map tells, so many are untrusted: others each time.
  unsigned untrusted_percent = 0;
  /// Complete file requests by a post to the submitting thread's Executor, where
  /// it has one, instead of before submit returns.
  bool asynchronous = false;
  /// A rename may survive a cut with both names (never with neither): then
  /// neither can be opened (EMLINK). No journalling file system does that.
  bool torn_renames = false;
};

/// One injected misbehaviour. Counts the operations that match from the moment
/// it is injected; the first `skip` pass, the next `times` are hit.
struct SimFault {
  std::optional<SimOp> op;  ///< none: every numbered operation
  std::uint64_t skip = 0;
  std::uint64_t times = 1;
  int error = 0;      ///< an errno: fails, without any effect but a sync's loss
  bool hang = false;  ///< waits for release(), and then takes effect or fails
  /// Of writes, not with `hang`: hits durable ones only. The write itself takes
  /// effect; its sync fails and loses everything unsynced of the file.
  bool in_sync = false;
  /// Of this file alone, by the name it has when this is injected; empty: any.
  std::string file{};
};

/// How far the operation got during which the power went. A sync has not.
enum class SimUnderWay { not_begun, partly, done };

class SimCore;

/// Thread-safe. Handles may outlive it. On a thread with a hung blocking call
/// (resize, publish, …) the call returns after release(); hung file requests
/// complete on the executor that submitted them, or in release() where there is
/// none.
class SimStore final : public file_store::Store {
 public:
  explicit SimStore(SimOptions options = {});
  ~SimStore() override;

  /// The store after a cut at this moment. Locks and handles are gone. The same
  /// seed gives the same result; seeds vary from "nothing but the durable
  /// survived" to "nearly everything did".
  std::unique_ptr<SimStore> power_cut(std::uint64_t seed) const;
  /// The store that the next process finds if this one was killed and the
  /// machine goes on: all that programs see stays, durable or not, locks and
  /// handles are gone. A power_cut() of it may still lose what was never synced.
  std::unique_ptr<SimStore> killed() const;
  /// A store in which everything done so far is durable: a starting point for
  /// many runs.
  std::unique_ptr<SimStore> settled() const;

  /// Cuts the power when numbered operation `number` (from 0) is asked for: it
  /// and everything after it, reads too, fails with power_lost(). The one that
  /// was under way may have taken effect, as `under_way` says. A process that
  /// dies then, instead of the machine, is the same with killed() afterwards.
  void cut_at(std::uint64_t number, SimUnderWay under_way = SimUnderWay::done);
  void cut_now();
  bool is_cut() const;
  /// From now on a cut of one is a cut of both: disks of one machine.
  void share_power(SimStore& other);
  /// What a dead machine answers: ESHUTDOWN, which no operation gives otherwise.
  static Error power_lost() noexcept;

  /// Numbered operations asked for so far.
  std::uint64_t operations() const;
  /// The numbered operations so far, one line each ("12 write 4 4096+512").
  std::vector<std::string> trace() const;

  void inject(const SimFault& fault);
  void clear_faults();
  /// How many operations were hit by an error, and syncs that reported one of
  /// fail_writeback().
  std::uint64_t hits() const;
  /// The kernel wrote back what is not durable of the file, and failed: it counts
  /// as clean and never reaches the disk, programs still read it. Every open
  /// handle hears of it once, by its next sync or durable write; so does one that
  /// is opened before anybody has.
  void fail_writeback(std::string_view name, int error);
  /// Operations that hang now, and letting them go.
  std::size_t hanging() const;
  void release();

  /// What share users can do: a symbolic link or a fifo with that name, or a
  /// second name for a file.
  void plant(std::string_view name, SimKind kind);
  void plant_hard_link(std::string_view existing, std::string_view name);
  /// The live content; empty if there is no such file.
  std::vector<std::byte> content(std::string_view name) const;

  Result<std::unique_ptr<file_store::File>> open(std::string_view name,
                                                 file_store::OpenOptions options = {}) override;
  Result<file_store::FileAttributes> look_up(std::string_view name) override;
  Result<std::unique_ptr<file_store::File>> create_unnamed(
      file_store::OpenOptions options = {}) override;
  Result<> publish(file_store::File& file, std::string_view name) override;
  Result<> rename(std::string_view from, std::string_view to) override;
  Result<> remove(std::string_view name) override;
  Result<> make_directory(std::string_view name) override;
  Result<> sync_names(std::string_view directory = "") override;
  Result<std::vector<file_store::DirectoryEntry>> list(std::string_view directory = "") override;
  Result<file_store::Space> space() override;
  const file_store::FileTraits& traits() const noexcept override;
  std::string location() const override { return "simulated"; }

 private:
  explicit SimStore(std::shared_ptr<SimCore> core);

  std::shared_ptr<SimCore> core_;
};

}  // namespace caisson::tests

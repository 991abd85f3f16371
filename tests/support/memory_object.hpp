// SPDX-License-Identifier: Apache-2.0
// A storage object in memory: what front ends are tested against when no file
// is needed. Requests complete before submit returns, unless held.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "storage_object/object/storage_object.hpp"

namespace caisson::tests {

/// Requests, events and observers from any thread; what setup() and bytes()
/// give is for a test to touch between requests.
class MemoryObject final : public object::StorageObject {
 public:
  struct Setup {
    block::Geometry geometry{std::uint64_t{16} << 20, 512, 4096};
    block::Features features{.unmap = true};
    object::Identity identity{.name = "disk",
                              .naa = "3000000000000001",
                              .serial = "0000000000000001",
                              .target_name = "iqn.2026-11.io.caisson:node:disk"};
    catalog::CacheMode cache = catalog::CacheMode::writeback;
  };

  MemoryObject() : MemoryObject(Setup{}) {}
  explicit MemoryObject(Setup setup);

  block::Geometry geometry() const noexcept override { return setup_.geometry; }
  block::Features features() const noexcept override { return setup_.features; }
  void submit(block::IoRequest& request) override;
  std::shared_ptr<const object::Identity> identity() const noexcept override { return identity_; }
  catalog::CacheMode cache_mode() const noexcept override { return modes_.current().cache; }
  catalog::LunState state() const noexcept override { return state_; }
  object::Accounting accounting() const noexcept override { return {}; }
  std::uint64_t config_id() const noexcept override { return 1; }
  Result<std::uint64_t> allocated() override;
  void subscribe(object::ObjectObserver& observer) override;
  void unsubscribe(object::ObjectObserver& observer) override;
  void recall(block::IoRequest& request, block::BlockErrc why) noexcept override;
  /// Nothing: what is held here has not begun, and is performed in order.
  void abandon(block::IoRequest& request) noexcept override { (void)request; }
  Error reset() override;
  object::Reservations& reservations() noexcept override { return reservations_; }
  void change_reservations(ChangeOrigin origin, object::ReservationRequest request,
                           std::function<void(object::ReservationResult)> done) override;
  /// Nothing: here it begins at once.
  void recall_change(const void* task, block::BlockErrc why) noexcept override {
    (void)task, (void)why;
  }

  const object::ModeSettings& modes() const noexcept override { return modes_; }
  void change_modes(ChangeOrigin origin, const object::ModeChange& change,
                    std::function<void(Error)> done) override;
  void note(std::string_view kind, std::string text) override {
    noted_.emplace_back(std::string(kind) + ": " + text);
  }
  /// "kind: text", in order; of a test that works on one thread.
  const std::vector<std::string>& noted() const noexcept { return noted_; }
  object::Medium& medium() noexcept override { return medium_; }
  const object::Upkeep& upkeep() const noexcept override { return upkeep_; }
  object::SpaceReport space() const noexcept override { return space_.report(); }
  void start_upkeep(ChangeOrigin origin, object::UpkeepRequest request,
                    std::function<void(Error)> begun, std::function<void(Error)> done) override;
  void leave_failed_sanitize(std::function<void(Error)> done) override;

  /// The next changes of modes, and the next upkeep, fail with it.
  void fail_modes(Error error) noexcept { mode_error_ = error; }
  void refuse_upkeep(Error error) noexcept { upkeep_error_ = error; }

  Setup& setup() noexcept { return setup_; }
  void set_state(catalog::LunState state) noexcept { state_ = state; }
  /// Changes the capacity and says so.
  void resize(std::uint64_t capacity);
  void announce(object::ObjectEvent event);
  /// What a look at its store found.
  void publish_space(const object::SpaceReport& report);

  /// Requests of this kind fail with it from now on.
  void fail(block::IoOp op, block::BlockErrc code);
  /// Requests wait for release(), which performs them in order: as if the file
  /// hung, so they cannot be recalled.
  void hold();
  /// From now on requests that are held can be recalled.
  void allow_recall() noexcept { recallable_ = true; }
  std::size_t release();

  std::vector<std::byte>& bytes() noexcept { return bytes_; }
  /// What it holds now. From any thread.
  std::vector<std::byte> copy();
  std::size_t observers() const;

  static constexpr std::size_t kSeenLimit = 4096;
  /// What the first requests since the last forget_seen() asked for.
  struct Seen {
    block::IoOp op;
    std::uint64_t offset, length;
    bool fua, may_unmap;
    block::IoContext context;
  };
  const std::vector<Seen>& seen() const noexcept { return seen_; }
  void forget_seen() { seen_.clear(); }

 private:
  Error perform(block::IoRequest& request);
  Error store(block::IoRequest& request, std::span<std::byte> range);
  Error check(const block::IoRequest& request) const;
  void report(block::IoRequest& request);
  void mark(std::uint64_t offset, std::uint64_t length, bool allocated);

  Setup setup_;
  std::shared_ptr<const object::Identity> identity_;
  std::atomic<catalog::LunState> state_ = catalog::LunState::online;
  object::Reservations reservations_;
  object::ModeSettings modes_{{}};
  object::Medium medium_;
  object::Upkeep upkeep_;
  object::Space space_;
  std::vector<std::string> noted_;
  Error mode_error_, upkeep_error_;
  std::vector<std::byte> bytes_;
  std::vector<bool> mapped_;  // per unmap granule
  std::map<block::IoOp, block::BlockErrc> faults_;
  bool held_back_ = false;
  bool recallable_ = false;
  std::deque<block::IoRequest*> held_;
  std::vector<Seen> seen_;
  std::mutex requests_mutex_;  // one request at a time touches the bytes
  mutable std::mutex observers_mutex_;
  std::vector<object::ObjectObserver*> observers_;
};

}  // namespace caisson::tests

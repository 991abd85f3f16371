// SPDX-License-Identifier: Apache-2.0
// Snapshots and schedules: what is put comes back, no number is used twice, and
// nothing that is still needed can be taken away.
#include <gmock/gmock.h>

#include <limits>

#include "catalog_fixture.hpp"

namespace caisson::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SnapshotsTest : public CatalogTest {
 protected:
  SnapshotsTest() {
    open();
    change([&](Transaction& t) {
      ASSERT_TRUE(t.put_store(sample_store()));
      ASSERT_TRUE(t.put_lun(lun_));
      ASSERT_TRUE(t.put_lun(other_));
    });
  }
  static LunRecord plain(std::string name) {
    auto lun = sample_lun(std::move(name));
    lun.kind = LunKind::disk;
    lun.origin.reset();
    lun.restoring.reset();
    lun.state = LunState::online;
    return lun;
  }
  void put(const SnapshotRecord& snapshot) {
    change([&](Transaction& t) {
      auto done = t.put_snapshot(snapshot);
      ASSERT_TRUE(done) << done.error().message;
    });
  }
  std::uint64_t next(const LunRecord& lun) {
    std::uint64_t sequence = 0;
    change([&](Transaction& t) { sequence = t.next_snapshot_sequence(lun.uuid).value(); });
    return sequence;
  }
  template <class Body>
  Failure refusal(Body body) {
    auto changed = catalog_->change(body);
    if (changed) return failure(Errc::internal, "it was done");
    return changed.error();
  }

  LunRecord lun_ = plain("disk"), other_ = plain("other");
};

TEST_F(SnapshotsTest, EveryFieldRoundTrips) {
  const auto full = sample_snapshot(lun_, 1);
  SnapshotRecord bare{.uuid = Uuid::random(), .lun = lun_.uuid, .name = "bare", .sequence = 2};
  auto extreme = bare;
  extreme.uuid = Uuid::random();
  extreme.name = "extreme";
  extreme.sequence = std::numeric_limits<std::int64_t>::max();
  extreme.created_ms = std::numeric_limits<std::int64_t>::min();
  extreme.capacity = extreme.locked_until = std::numeric_limits<std::uint64_t>::max();
  for (const auto& snapshot : {extreme, bare, full}) put(snapshot);
  open();
  EXPECT_THAT(*catalog_->snapshots_of(lun_.uuid), ElementsAre(full, bare, extreme));
}

TEST_F(SnapshotsTest, TextsAreKeptVerbatim) {
  auto snapshot = sample_snapshot(lun_);
  for (const auto& odd : kOddStrings) {
    snapshot.reason = snapshot.made_by = snapshot.grade = snapshot.details = odd;
    put(snapshot);
    open();
    EXPECT_THAT(*catalog_->snapshots(), ElementsAre(snapshot));
  }
}

TEST_F(SnapshotsTest, EveryStateRoundTripsAndAnUnknownOneIsCorrupt) {
  auto snapshot = sample_snapshot(lun_);
  for (auto state : {SnapshotState::creating, SnapshotState::present, SnapshotState::ghost,
                     SnapshotState::invalid}) {
    snapshot.state = state;
    put(snapshot);
    EXPECT_THAT(*catalog_->snapshots(), ElementsAre(snapshot));
  }
  catalog_.reset();
  sql(path_, "UPDATE snapshots SET state = 'melting'");
  open();
  auto snapshots = catalog_->snapshots();
  ASSERT_FALSE(snapshots);
  EXPECT_EQ(snapshots.error().code, Errc::corrupt);
  EXPECT_THAT(snapshots.error().message, HasSubstr("melting"));
}

TEST_F(SnapshotsTest, AreListedBySequenceWhateverTheOrderTheyCameIn) {
  const auto second = sample_snapshot(lun_, 2), first = sample_snapshot(lun_, 1);
  const auto others = sample_snapshot(other_, 1);
  for (const auto& snapshot : {second, others, first}) put(snapshot);
  EXPECT_THAT(*catalog_->snapshots_of(lun_.uuid), ElementsAre(first, second));
  EXPECT_THAT(*catalog_->snapshots_of(other_.uuid), ElementsAre(others));
  EXPECT_TRUE(catalog_->snapshots_of(Uuid::random())->empty());
  auto all = *catalog_->snapshots();
  ASSERT_EQ(all.size(), 3u);
  std::erase(all, others);
  EXPECT_THAT(all, ElementsAre(first, second));
}

TEST_F(SnapshotsTest, SequenceNumbersAreNeverUsedAgain) {
  EXPECT_EQ(next(lun_), 1u);
  EXPECT_EQ(next(lun_), 2u);
  EXPECT_EQ(next(other_), 1u);
  const auto newest = sample_snapshot(lun_, 3);
  EXPECT_EQ(next(lun_), 3u);
  put(newest);
  change([&](Transaction& t) {
    ASSERT_TRUE(t.remove_snapshot(newest.uuid));
    lun_.config_id++;
    ASSERT_TRUE(t.put_lun(lun_));  // a record that was read before knows no counter
  });
  open();
  EXPECT_EQ(next(lun_), 4u);
}

TEST_F(SnapshotsTest, AFoundSnapshotRaisesTheSequence) {
  put(sample_snapshot(lun_, 9));
  put(sample_snapshot(lun_, 4));
  EXPECT_EQ(next(lun_), 10u);
}

TEST_F(SnapshotsTest, ANumberThatWasTakenBackWasNotGiven) {
  auto undone = refusal([&](Transaction& t) -> Outcome<> {
    EXPECT_EQ(t.next_snapshot_sequence(lun_.uuid).value(), 1u);
    EXPECT_EQ(t.next_snapshot_sequence(lun_.uuid).value(), 2u);
    return failure(Errc::cancelled, "no");
  });
  EXPECT_EQ(undone.code, Errc::cancelled);
  EXPECT_EQ(next(lun_), 1u);
}

TEST_F(SnapshotsTest, AnUnknownLunHasNeitherNumbersNorSnapshots) {
  const auto gone = plain("gone");
  auto number = refusal([&](Transaction& t) -> Outcome<> {
    auto next = t.next_snapshot_sequence(gone.uuid);
    if (!next) return next.error();
    return {};
  });
  EXPECT_EQ(number.code, Errc::not_found);
  auto put = refusal([&](Transaction& t) { return t.put_snapshot(sample_snapshot(gone)); });
  EXPECT_EQ(put.code, Errc::not_found);
  EXPECT_THAT(put.message, HasSubstr(gone.uuid.to_string()));
}

TEST_F(SnapshotsTest, NameAndSequenceBelongToOneOfALun) {
  auto first = sample_snapshot(lun_, 1);
  put(first);
  auto same_name = sample_snapshot(lun_, 2), same_number = sample_snapshot(lun_, 1);
  same_name.name = first.name;
  same_number.name = "another";
  for (const auto& twin : {same_name, same_number}) {
    auto refused = refusal([&](Transaction& t) { return t.put_snapshot(twin); });
    EXPECT_EQ(refused.code, Errc::already_exists) << refused.message;
    EXPECT_THAT(refused.message, HasSubstr(twin.name));
  }
  put(sample_snapshot(other_, 1));  // each LUN has its own
  first.state = SnapshotState::ghost;
  put(first);
  put(same_name);  // a deleted one's name is free, its number is not
  EXPECT_EQ(refusal([&](Transaction& t) { return t.put_snapshot(same_number); }).code,
            Errc::already_exists);
  EXPECT_FALSE(catalog_->change([&](Transaction& t) {
    auto zero = sample_snapshot(lun_, 0);
    return t.put_snapshot(zero);
  }));
}

TEST_F(SnapshotsTest, ALunWithSnapshotsIsNeitherErasedNorBegunToBeDeleted) {
  auto snapshot = sample_snapshot(lun_);
  snapshot.state = SnapshotState::ghost;  // its remains are files, too
  put(snapshot);
  auto deleting = lun_;
  deleting.state = LunState::deleting;
  auto erased = refusal([&](Transaction& t) { return t.erase_lun(lun_.uuid); });
  auto begun = refusal([&](Transaction& t) { return t.put_lun(deleting); });
  for (const auto& refused : {erased, begun}) {
    EXPECT_EQ(refused.code, Errc::in_use) << refused.message;
    EXPECT_THAT(refused.message, HasSubstr("snapshots"));
    EXPECT_FALSE(refused.remedy.empty());
  }
  EXPECT_EQ(catalog_->luns()->at(0), lun_);
  EXPECT_THAT(*catalog_->snapshots(), ElementsAre(snapshot));
  change([&](Transaction& t) {
    ASSERT_TRUE(t.remove_snapshot(snapshot.uuid));
    ASSERT_TRUE(t.put_lun(deleting));
    EXPECT_EQ(t.put_snapshot(snapshot).error().code, Errc::in_use);
  });
}

TEST_F(SnapshotsTest, IsKeptWhileALunReadsFromIt) {
  const auto snapshot = sample_snapshot(lun_);
  put(snapshot);
  auto reader = plain("reader");
  auto put_reader = [&](LunKind kind, bool restoring) {
    reader.kind = kind;
    reader.origin = restoring ? std::optional<Uuid>() : snapshot.uuid;
    reader.restoring = restoring ? std::optional<Uuid>(snapshot.uuid) : std::nullopt;
    change([&](Transaction& t) { ASSERT_TRUE(t.put_lun(reader)); });
  };
  auto remove = [&](Transaction& t) { return t.remove_snapshot(snapshot.uuid); };
  for (auto [kind, restoring] : {std::pair(LunKind::clone, false), std::pair(LunKind::view, false),
                                 std::pair(LunKind::disk, true)}) {
    put_reader(kind, restoring);
    auto refused = refusal(remove);
    EXPECT_EQ(refused.code, Errc::in_use) << static_cast<int>(kind);
    EXPECT_THAT(refused.message, HasSubstr("LUN reader"));
  }
  EXPECT_EQ(catalog_->snapshots()->size(), 1u);
  put_reader(LunKind::disk, false);  // a clone that is filled remembers its origin only
  EXPECT_TRUE(catalog_->change(remove));
  EXPECT_TRUE(catalog_->snapshots()->empty());
  open();
  EXPECT_EQ(catalog_->luns()->back(), reader);
}

TEST_F(SnapshotsTest, SchedulesRoundTripWithTheirOrder) {
  auto both = sample_schedule({other_.uuid, lun_.uuid});
  ScheduleRecord bare{.name = "a-bare"};
  change([&](Transaction& t) {
    ASSERT_TRUE(t.put_schedule(both));
    ASSERT_TRUE(t.put_schedule(bare));
  });
  open();
  EXPECT_THAT(*catalog_->schedules(), ElementsAre(bare, both));
  both.luns = {lun_.uuid, other_.uuid};
  bare.luns = {lun_.uuid};
  for (const auto& odd : kOddStrings) {
    both.spec = both.zone = both.retention = both.quiesce = both.state = odd;
    both.enabled = !both.enabled;
    both.allow_unreserved = !both.enabled;
    change([&](Transaction& t) {
      ASSERT_TRUE(t.put_schedule(both));
      ASSERT_TRUE(t.put_schedule(bare));
    });
    open();
    EXPECT_THAT(*catalog_->schedules(), ElementsAre(bare, both));
  }
  change([&](Transaction& t) { ASSERT_TRUE(t.remove_schedule(both.name)); });
  EXPECT_THAT(*catalog_->schedules(), ElementsAre(bare));
}

TEST_F(SnapshotsTest, AnErasedLunLeavesItsSchedules) {
  auto schedule = sample_schedule({lun_.uuid, other_.uuid});
  change([&](Transaction& t) {
    ASSERT_TRUE(t.put_schedule(schedule));
    ASSERT_TRUE(t.erase_lun(lun_.uuid));
  });
  schedule.luns = {other_.uuid};
  EXPECT_THAT(*catalog_->schedules(), ElementsAre(schedule));
}

TEST_F(SnapshotsTest, ASchedulesLunsAreKnownAndNamedOnce) {
  const auto gone = Uuid::random();
  auto unknown = refusal([&](Transaction& t) {
    return t.put_schedule(sample_schedule({lun_.uuid, gone}));
  });
  EXPECT_EQ(unknown.code, Errc::not_found);
  EXPECT_THAT(unknown.message, HasSubstr(gone.to_string()));
  auto twice = refusal([&](Transaction& t) {
    return t.put_schedule(sample_schedule({lun_.uuid, lun_.uuid}));
  });
  EXPECT_EQ(twice.code, Errc::invalid_argument);
  EXPECT_THAT(twice.message, HasSubstr("nightly"));
  EXPECT_TRUE(catalog_->schedules()->empty());
}

}  // namespace
}  // namespace caisson::catalog

// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/gateway/service/recording_snapshots.hpp"

namespace caisson::service {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SnapshotCopiesTest : public SnapshotVerbsTest {
 protected:
  void SetUp() override {
    SnapshotVerbsTest::SetUp();
    snapshot_ = engine_.add("a", "s").record.uuid;
    clone_.set_lun("a");
    clone_.set_snapshot("s");
    clone_.set_name("copy");
    expose_.set_lun("a");
    expose_.set_snapshot("s");
    expose_.set_name("look");
  }
  Uuid snapshot_;
  wire::SnapshotCloneRequest clone_;
  wire::SnapshotExposeRequest expose_;
};

TEST_F(SnapshotCopiesTest, RestoreKeepsTheStateBeforeByDefault) {
  wire::SnapshotRestoreRequest request;
  request.set_lun("a");
  request.set_snapshot("s");
  auto reply = snapshot_restore(*parts_, call(), request);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->kept(), "before");
  EXPECT_TRUE(engine_.restored.keep_state);
  EXPECT_FALSE(engine_.restored.force);
  request.set_keep_state(false);
  request.set_force(true);
  request.set_dry_run(true);
  reply = snapshot_restore(*parts_, call(), request);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->kept(), "");
  EXPECT_FALSE(engine_.restored.keep_state);
  EXPECT_TRUE(engine_.restored.force && engine_.restored.dry_run);
}

TEST_F(SnapshotCopiesTest, ACloneIsALunAndTheSameAgainChangesNothing) {
  clone_.set_store("main");
  clone_.set_location("rack 7");
  auto made = snapshot_clone(*parts_, call(), clone_);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->lun().name(), "copy");
  EXPECT_TRUE(made->change().changed());
  EXPECT_THAT(engine_.asked, ElementsAre("clone a s copy main rack 7 false"));
  be_made_of("copy", catalog::LunKind::clone, snapshot_);
  auto again = snapshot_clone(*parts_, call(), clone_);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_FALSE(again->change().changed());
  EXPECT_EQ(engine_.asked.size(), 1U);
}

TEST_F(SnapshotCopiesTest, ANameOfAnotherLunIsTaken) {
  clone_.set_name("b");
  EXPECT_EQ(code_of(snapshot_clone(*parts_, call(), clone_).error()), Errc::already_exists);
  be_made_of("b", catalog::LunKind::view, snapshot_);
  EXPECT_EQ(code_of(snapshot_clone(*parts_, call(), clone_).error()), Errc::already_exists);
  be_made_of("b", catalog::LunKind::clone, Uuid::random());
  EXPECT_EQ(code_of(snapshot_clone(*parts_, call(), clone_).error()), Errc::already_exists);
  clone_.set_snapshot("t");
  EXPECT_EQ(code_of(snapshot_clone(*parts_, call(), clone_).error()), Errc::not_found);
  EXPECT_THAT(engine_.asked, IsEmpty());
}

TEST_F(SnapshotCopiesTest, ASnapshotIsShownAndHiddenAgain) {
  auto shown = snapshot_expose(*parts_, call(), expose_);
  ASSERT_TRUE(shown) << shown.error().message;
  EXPECT_EQ(shown->lun().name(), "look");
  be_made_of("look", catalog::LunKind::view, snapshot_);
  EXPECT_FALSE(snapshot_expose(*parts_, call(), expose_)->change().changed());
  wire::SnapshotUnexposeRequest hide;
  hide.set_name("look");
  ASSERT_TRUE(snapshot_unexpose(*parts_, call(), hide));
  EXPECT_THAT(engine_.asked, ElementsAre("expose a s look false", "unexpose look false"));
}

TEST_F(SnapshotCopiesTest, ADiskOfItsOwnIsNotHidden) {
  wire::SnapshotUnexposeRequest hide;
  hide.set_name("a");
  EXPECT_EQ(code_of(snapshot_unexpose(*parts_, call(), hide).error()), Errc::invalid_argument);
  hide.set_name("nowhere");
  EXPECT_EQ(code_of(snapshot_unexpose(*parts_, call(), hide).error()), Errc::not_found);
  EXPECT_THAT(engine_.asked, IsEmpty());
}

TEST_F(SnapshotCopiesTest, ChangesComeInBoundedPages) {
  engine_.page = {{{0, 4096, false}, {8192, 512, true}}, 16384, false, 1 << 20};
  wire::SnapshotDiffRequest request;
  request.set_lun("a");
  request.set_from("s");
  request.set_cursor(12);
  auto reply = snapshot_diff(*parts_, call(), request);
  ASSERT_TRUE(reply) << reply.error().message;
  ASSERT_EQ(reply->extents_size(), 2);
  EXPECT_EQ(reply->extents(1).offset(), 8192U);
  EXPECT_EQ(reply->extents(1).length(), 512U);
  EXPECT_TRUE(reply->extents(1).hole());
  EXPECT_EQ(reply->cursor(), 16384U);
  EXPECT_FALSE(reply->done());
  EXPECT_EQ(reply->capacity(), 1U << 20);
  EXPECT_EQ(engine_.queried.from, "s");
  EXPECT_EQ(engine_.queried.to, "");
  EXPECT_EQ(engine_.queried.cursor, 12U);
  const std::pair<std::uint32_t, std::size_t> limits[] = {
      {0, 16384}, {1, 1}, {65536, 65536}, {0xffffffff, 65536}};
  for (const auto& [asked, given] : limits) {
    request.set_limit(asked);
    ASSERT_TRUE(snapshot_diff(*parts_, call(), request));
    EXPECT_EQ(engine_.queried.limit, given);
  }
}

TEST_F(SnapshotCopiesTest, ExportsStayInTheStore) {
  wire::SnapshotExportRequest request;
  request.set_lun("a");
  request.set_snapshot("s");
  for (std::string name :
       {std::string(), std::string("/etc/x"), std::string("../x"), std::string("a/b"),
        std::string(".hidden"), std::string(256, 'x'), std::string("a\0b", 3)}) {
    request.set_file(name);
    EXPECT_EQ(code_of(snapshot_export(*parts_, call(), request).error()), Errc::invalid_argument)
        << name;
  }
  EXPECT_THAT(engine_.asked, IsEmpty());
  request.set_file("out.img");
  auto reply = snapshot_export(*parts_, call(), request);
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->file(), "/store/out.img");
  EXPECT_EQ(reply->size(), 4096U);
}

}  // namespace
}  // namespace caisson::service

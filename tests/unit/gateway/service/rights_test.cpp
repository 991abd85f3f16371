// SPDX-License-Identifier: Apache-2.0
// Every verb that a host may use, with and without the right in its grant.
#include "tests/unit/gateway/service/recording_snapshots.hpp"

namespace caisson::service {
namespace {

class RightsTest : public SnapshotVerbsTest {
 protected:
  void SetUp() override {
    SnapshotVerbsTest::SetUp();
    engine_.add("a", "s");
    be(wire::Role::host);
  }

  /// A request about LUN `lun` and its snapshot s.
  static std::string about(const wire::Opcode& row, const std::string& lun) {
    const auto* type = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
        "caisson.nbs.wire." + std::string(row.request));
    std::unique_ptr<google::protobuf::Message> request(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
    const auto& reflection = *request->GetReflection();
    for (int i = 0; i < type->field_count(); ++i) {
      const auto* field = type->field(i);
      const auto& name = field->name();
      if (name == "luns") reflection.AddString(request.get(), field, lun);
      if (name == "lun" || (name == "name" && type->FindFieldByName("lun") == nullptr &&
                            type->FindFieldByName("luns") == nullptr))
        reflection.SetString(request.get(), field, lun);
      if (name == "snapshot" || name == "from") reflection.SetString(request.get(), field, "s");
      if (name == "size") reflection.SetUInt64(request.get(), field, 1 << 20);
    }
    return request->SerializeAsString();
  }
  /// Whether the host may use that verb on a LUN.
  bool may(const wire::Opcode& row, const std::string& lun) {
    auto done = find_verb(row.number)(*parts_, call(), about(row, lun));
    if (done) return true;
    EXPECT_EQ(code_of(done.error()), Errc::permission_denied) << done.error().message;
    return false;
  }
  static std::vector<const wire::Opcode*> of_hosts() {
    std::vector<const wire::Opcode*> rows;
    for (const auto& row : wire::opcodes())
      if (row.right != wire::Right::none) rows.push_back(&row);
    return rows;
  }
};

TEST_F(RightsTest, AHostNeedsTheVerbsOwnRightAndNoOtherOne) {
  for (const auto* row : of_hosts()) {
    for (const char* right : {"", "resize", "restore", "snapshot", "trim"}) {
      grant("a", right);
      EXPECT_EQ(may(*row, "a"), to_string(row->right) == right) << row->name << " with " << right;
      EXPECT_FALSE(may(*row, "b")) << row->name;
    }
    grant("a", "resize,restore,snapshot,trim");
    EXPECT_TRUE(may(*row, "a")) << row->name;
  }
}

TEST_F(RightsTest, WhoMayOnlyReadChangesNothingOfTheData) {
  grant("a", "resize,restore,snapshot,trim", true);
  for (const auto* row : of_hosts())
    EXPECT_EQ(may(*row, "a"), row->right == wire::Right::snapshot) << row->name;
}

TEST_F(RightsTest, AHostDoesNotLearnWhichLunsThereAre) {
  for (const auto* row : of_hosts()) {
    auto there = find_verb(row->number)(*parts_, call(), about(*row, "b"));
    auto nowhere = find_verb(row->number)(*parts_, call(), about(*row, "c"));
    ASSERT_TRUE(!there && !nowhere) << row->name;
    auto same = there.error().message;
    std::ranges::replace(same, 'b', 'c');  // web becomes wec
    auto other = nowhere.error().message;
    std::ranges::replace(other, 'b', 'c');
    EXPECT_EQ(same, other);
    EXPECT_EQ(code_of(nowhere.error()), Errc::permission_denied);
  }
  be(wire::Role::operator_);
  auto asked = find_verb(wire::opcode(wire::Op::snapshot_list).number)(
      *parts_, call(), about(wire::opcode(wire::Op::snapshot_list), "c"));
  EXPECT_EQ(code_of(asked.error()), Errc::not_found);
}

TEST_F(RightsTest, AListShowsAHostItsOwn) {
  engine_.add("b", "s");
  auto luns = [&] {
    std::string names;
    auto list = snapshot_list(*parts_, call(), {});
    EXPECT_TRUE(list);
    for (const auto& snapshot : list->snapshots()) names += snapshot.lun();
    return names;
  };
  EXPECT_EQ(luns(), "");
  grant("b", "snapshot");
  EXPECT_EQ(luns(), "b");
  be(wire::Role::operator_);
  EXPECT_EQ(luns(), "ab");
}

TEST_F(RightsTest, AHostPushesNobodyAside) {
  grant("a", "restore,snapshot");
  wire::SnapshotRestoreRequest restore;
  restore.set_lun("a");
  restore.set_snapshot("s");
  restore.set_force(true);
  EXPECT_EQ(code_of(snapshot_restore(*parts_, call(), restore).error()), Errc::permission_denied);
  wire::SnapshotCreateRequest create;
  create.add_luns("a");
  create.set_allow_unreserved(true);
  EXPECT_EQ(code_of(snapshot_create(*parts_, call(), create).error()), Errc::permission_denied);
  create.set_allow_unreserved(false);
  create.set_quiesce("other");
  EXPECT_EQ(code_of(snapshot_create(*parts_, call(), create).error()), Errc::permission_denied);
  EXPECT_THAT(engine_.asked, ::testing::IsEmpty());
}

}  // namespace
}  // namespace caisson::service

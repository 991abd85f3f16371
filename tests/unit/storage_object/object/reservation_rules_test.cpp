// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/reservation_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace caisson::object {
namespace {

using enum ReservationAction;
using enum ReservationResult;
using Type = ReservationType;
using ::testing::IsEmpty;

constexpr Type kEveryType[] = {Type::write_exclusive,
                               Type::exclusive_access,
                               Type::write_exclusive_registrants_only,
                               Type::exclusive_access_registrants_only,
                               Type::write_exclusive_all_registrants,
                               Type::exclusive_access_all_registrants};

// ---- Who may do what (SPC-4 5.13.1: the table of commands allowed) ----

struct PermissionRow {
  Type type;
  const char* registrant;  ///< always, status, read, write, reservation: y or n
  const char* stranger;
};

constexpr PermissionRow kPermissions[] = {
    {Type::none, "yyyyy", "yyyyy"},
    {Type::write_exclusive, "yyyny", "yyyny"},
    {Type::exclusive_access, "yynny", "yynny"},
    {Type::write_exclusive_registrants_only, "yyyyy", "yyyny"},
    {Type::exclusive_access_registrants_only, "yyyyy", "yynny"},
    {Type::write_exclusive_all_registrants, "yyyyy", "yyyny"},
    {Type::exclusive_access_all_registrants, "yyyyy", "yynny"},
};

constexpr CommandClass kClasses[] = {CommandClass::always, CommandClass::status, CommandClass::read,
                                     CommandClass::write, CommandClass::reservation};

TEST(ReservationPermission, EveryTypeClassAndStanding) {
  for (const auto& row : kPermissions)
    for (std::size_t i = 0; i < std::size(kClasses); ++i) {
      SCOPED_TRACE(static_cast<int>(row.type) * 10 + static_cast<int>(i));
      EXPECT_TRUE(permitted(row.type, kClasses[i], Standing::holder));
      EXPECT_EQ(permitted(row.type, kClasses[i], Standing::registrant), row.registrant[i] == 'y');
      EXPECT_EQ(permitted(row.type, kClasses[i], Standing::stranger), row.stranger[i] == 'y');
    }
}

TEST(ReservationPermission, TypesThatExist) {
  for (unsigned value = 0; value < 32; ++value)
    EXPECT_EQ(is_reservation_type(value), value == 1 || value == 3 || (value >= 5 && value <= 8))
        << value;
}

// ---- Actions ----

class ReservationRulesTest : public ::testing::Test {
 protected:
  const NexusName a_{"a", 1}, b_{"b", 1}, c_{"c", 1};

  ReservationResult ask(const NexusName& who, const ReservationRequest& request) {
    auto outcome = apply(state_, request, who);
    notices_ = std::move(outcome.notices);
    if (outcome.result == done)
      state_ = std::move(outcome.state);
    else
      EXPECT_THAT(notices_, IsEmpty());
    return outcome.result;
  }
  void enroll(const NexusName& who, std::uint64_t key) {
    ASSERT_EQ(ask(who, {.action = register_and_ignore, .service_key = key}), done);
  }
  ReservationResult take(const NexusName& who, std::uint64_t key, Type type) {
    return ask(who, {.action = reserve, .key = key, .type = type});
  }
  bool registered(const NexusName& who) const { return state_.find(who) != nullptr; }
  Standing standing(const NexusName& who) const { return state_.standing(who); }
  /// "who:event" of everyone told, in order.
  std::string told() const {
    std::string text;
    for (const auto& notice : notices_)
      text += notice.whom.nexus.initiator + std::to_string(static_cast<int>(notice.event)) + " ";
    return text;
  }
  /// a, b and c with keys 1, 2, 3; a holds `type`.
  void three(Type type) {
    state_ = {};
    enroll(a_, 1);
    enroll(b_, 2);
    enroll(c_, 3);
    if (type != Type::none) {
      ASSERT_EQ(take(a_, 1, type), done);
    }
  }

  ReservationState state_;
  std::vector<Notice> notices_;
};

TEST_F(ReservationRulesTest, RegisterWantsTheRightOldKey) {
  EXPECT_EQ(ask(a_, {.action = register_key, .key = 9, .service_key = 1}), conflict);
  EXPECT_EQ(ask(a_, {.action = register_key, .service_key = 1}), done);
  EXPECT_EQ(state_.generation, 1u);
  EXPECT_EQ(ask(a_, {.action = register_key, .service_key = 2}), conflict);
  EXPECT_EQ(ask(a_, {.action = register_key, .key = 1, .service_key = 2, .aptpl = true}), done);
  EXPECT_EQ(state_.find(a_)->key, 2u);
  EXPECT_TRUE(state_.aptpl);
  EXPECT_EQ(state_.generation, 2u);
  EXPECT_EQ(ask(a_, {.action = register_key, .key = 2}), done);
  EXPECT_FALSE(registered(a_));
  EXPECT_FALSE(state_.aptpl);
  EXPECT_EQ(state_.generation, 3u);
}

TEST_F(ReservationRulesTest, KeyZeroOfAStrangerDoesNothing) {
  EXPECT_EQ(ask(a_, {.action = register_key}), done);
  EXPECT_EQ(ask(a_, {.action = register_and_ignore, .key = 7}), done);
  EXPECT_EQ(state_, ReservationState());
}

TEST_F(ReservationRulesTest, RegisterAndIgnoreTakesAnyOldKey) {
  enroll(a_, 1);
  EXPECT_EQ(ask(a_, {.action = register_and_ignore, .key = 99, .service_key = 5}), done);
  EXPECT_EQ(state_.find(a_)->key, 5u);
  EXPECT_EQ(ask(a_, {.action = register_and_ignore, .key = 99}), done);
  EXPECT_FALSE(registered(a_));
  EXPECT_EQ(ask(a_, {.action = register_and_ignore, .service_key = 5, .also = {"b"}}),
            invalid_parameter);
}

TEST_F(ReservationRulesTest, RegistersOthersAlong) {
  EXPECT_EQ(ask(a_, {.action = register_key, .service_key = 1, .also = {"b", "c", "a"}}), done);
  EXPECT_EQ(state_.registrations.size(), 3u);
  EXPECT_EQ(state_.find(c_)->key, 1u);
  EXPECT_EQ(ask(a_, {.action = register_key, .key = 1, .service_key = 1, .also = {"d"}}),
            invalid_parameter);
  state_ = {};
  enroll(b_, 2);
  EXPECT_EQ(ask(a_, {.action = register_key, .service_key = 1, .also = {"b"}}), invalid_parameter);
  EXPECT_FALSE(registered(a_));
}

TEST_F(ReservationRulesTest, AllPortsMatchesEveryPort) {
  EXPECT_EQ(ask(a_, {.action = register_key, .service_key = 1, .all_ports = true}), done);
  EXPECT_TRUE(registered({"a", 2}));
  enroll(b_, 2);
  EXPECT_FALSE(registered({"b", 2}));
}

TEST_F(ReservationRulesTest, RegistrationsAreBounded) {
  for (std::size_t i = 0; i < kMaxRegistrations; ++i) enroll({"h" + std::to_string(i), 1}, i + 1);
  auto before = state_;
  EXPECT_EQ(ask(a_, {.action = register_key, .service_key = 1}), no_room);
  EXPECT_EQ(ask({"h0", 1}, {.action = register_key, .key = 1, .service_key = 7}), done);
  state_ = before;
  ASSERT_EQ(take({"h0", 1}, 1, Type::write_exclusive), done);
  EXPECT_EQ(
      ask({"h0", 1}, {.action = register_and_move, .key = 1, .service_key = 5, .destination = a_}),
      no_room);
}

TEST_F(ReservationRulesTest, EveryOtherActionWantsARegisteredCallerWithItsKey) {
  for (auto action : {reserve, release, clear, preempt, preempt_and_abort, register_and_move}) {
    SCOPED_TRACE(static_cast<int>(action));
    three(Type::write_exclusive);
    auto before = state_;
    ReservationRequest request{.action = action,
                               .key = 1,
                               .service_key = 2,
                               .type = Type::write_exclusive,
                               .destination = {"e", 1}};
    EXPECT_EQ(ask({"d", 1}, request), conflict);
    request.key = 9;
    EXPECT_EQ(ask(a_, request), conflict);
    EXPECT_EQ(state_, before);
  }
}

TEST_F(ReservationRulesTest, OneReservationAtATime) {
  for (auto type : kEveryType) {
    SCOPED_TRACE(static_cast<int>(type));
    three(type);
    auto everyone = is_all_registrants(type);
    EXPECT_EQ(standing(a_), Standing::holder);
    EXPECT_EQ(standing(b_), everyone ? Standing::holder : Standing::registrant);
    EXPECT_EQ(standing({"d", 1}), Standing::stranger);
    EXPECT_EQ(take(a_, 1, type), done);
    EXPECT_EQ(take(b_, 2, type), everyone ? done : conflict);
    for (auto other : kEveryType)
      if (other != type) {
        EXPECT_EQ(take(a_, 1, other), conflict);
      }
    EXPECT_EQ(state_.generation, 3u);
  }
  EXPECT_EQ(take(a_, 1, Type::none), invalid_parameter);
}

TEST_F(ReservationRulesTest, ReleaseTellsThoseWhoReliedOnIt) {
  for (auto type : kEveryType) {
    SCOPED_TRACE(static_cast<int>(type));
    three(type);
    auto other = type == Type::write_exclusive ? Type::exclusive_access : Type::write_exclusive;
    EXPECT_EQ(ask(a_, {.action = release, .key = 1, .type = other}), invalid_release);
    if (!is_all_registrants(type)) {
      EXPECT_EQ(ask(b_, {.action = release, .key = 2, .type = type}), done);
      EXPECT_EQ(state_.type, type);
    }
    EXPECT_EQ(ask(a_, {.action = release, .key = 1, .type = type}), done);
    EXPECT_EQ(state_.type, Type::none);
    EXPECT_EQ(state_.registrations.size(), 3u);
    EXPECT_EQ(told(), is_registrants_only(type) || is_all_registrants(type) ? "b1 c1 " : "");
    EXPECT_EQ(ask(a_, {.action = release, .key = 1, .type = type}), done);
    EXPECT_EQ(state_.generation, 3u);
  }
}

TEST_F(ReservationRulesTest, TheHolderWhoUnregistersReleases) {
  for (auto type : kEveryType) {
    SCOPED_TRACE(static_cast<int>(type));
    three(type);
    EXPECT_EQ(ask(a_, {.action = register_key, .key = 1}), done);
    EXPECT_EQ(state_.type, is_all_registrants(type) ? type : Type::none);
    EXPECT_EQ(told(), is_registrants_only(type) ? "b1 c1 " : "");
    ask(b_, {.action = register_key, .key = 2});
    ask(c_, {.action = register_key, .key = 3});
    EXPECT_EQ(state_.type, Type::none);
  }
}

TEST_F(ReservationRulesTest, ANonHolderWhoUnregistersReleasesNothing) {
  three(Type::write_exclusive);
  EXPECT_EQ(ask(b_, {.action = register_key, .key = 2}), done);
  EXPECT_EQ(state_.type, Type::write_exclusive);
  EXPECT_EQ(standing(a_), Standing::holder);
}

TEST_F(ReservationRulesTest, ClearForgetsAllAndTellsTheOthers) {
  for (auto type : kEveryType) {
    three(type);
    EXPECT_EQ(ask(b_, {.action = clear, .key = 2}), done);
    EXPECT_THAT(state_.registrations, IsEmpty());
    EXPECT_EQ(state_.type, Type::none);
    EXPECT_EQ(state_.generation, 4u);
    EXPECT_EQ(told(), "a0 c0 ");
  }
}

TEST_F(ReservationRulesTest, PreemptTakesTheHoldersReservation) {
  for (auto action : {preempt, preempt_and_abort})
    for (auto type : kEveryType) {
      if (is_all_registrants(type)) continue;
      SCOPED_TRACE(static_cast<int>(type));
      three(type);
      EXPECT_EQ(ask(b_, {.action = action, .key = 2, .service_key = 1, .type = type}), done);
      EXPECT_FALSE(registered(a_));
      EXPECT_EQ(standing(b_), Standing::holder);
      EXPECT_EQ(told(), "a2 ");
      EXPECT_EQ(state_.generation, 4u);
      three(type);
      auto other = Type::exclusive_access_all_registrants;
      EXPECT_EQ(ask(b_, {.action = action, .key = 2, .service_key = 1, .type = other}), done);
      EXPECT_EQ(state_.type, other);
      EXPECT_EQ(told(), "a2 c1 ");
    }
}

TEST_F(ReservationRulesTest, PreemptOfANonHoldersKeyRemovesItOnly) {
  for (auto type : kEveryType) {
    SCOPED_TRACE(static_cast<int>(type));
    three(type);
    EXPECT_EQ(ask(a_, {.action = preempt, .key = 1, .service_key = 3, .type = type}), done);
    EXPECT_FALSE(registered(c_));
    EXPECT_EQ(state_.type, type);
    EXPECT_EQ(standing(a_), Standing::holder);
    EXPECT_EQ(told(), "c2 ");
    EXPECT_EQ(ask(a_, {.action = preempt, .key = 1, .service_key = 3, .type = type}), conflict);
  }
}

TEST_F(ReservationRulesTest, PreemptOfAllRegistrants) {
  for (auto type : kEveryType) {
    SCOPED_TRACE(static_cast<int>(type));
    three(type);
    auto expected = is_all_registrants(type) ? done : invalid_parameter;
    EXPECT_EQ(ask(b_, {.action = preempt, .key = 2, .type = Type::write_exclusive}), expected);
    if (expected != done) continue;
    EXPECT_EQ(state_.registrations.size(), 1u);
    EXPECT_EQ(state_.type, Type::write_exclusive);
    EXPECT_EQ(standing(b_), Standing::holder);
    EXPECT_EQ(told(), "a2 c2 ");
  }
}

TEST_F(ReservationRulesTest, PreemptWithoutAReservation) {
  three(Type::none);
  ReservationRequest request{.action = preempt, .key = 1, .type = Type::write_exclusive};
  EXPECT_EQ(ask(a_, request), invalid_parameter);
  request.service_key = 9;
  EXPECT_EQ(ask(a_, request), conflict);
  request.service_key = 2;
  EXPECT_EQ(ask(a_, request), done);
  EXPECT_FALSE(registered(b_));
  EXPECT_EQ(state_.type, Type::none);
  request.type = Type::none;
  EXPECT_EQ(ask(a_, request), invalid_parameter);
}

TEST_F(ReservationRulesTest, AHolderMayPreemptItself) {
  three(Type::write_exclusive);
  EXPECT_EQ(
      ask(a_, {.action = preempt, .key = 1, .service_key = 1, .type = Type::exclusive_access}),
      done);
  EXPECT_EQ(state_.type, Type::exclusive_access);
  EXPECT_EQ(standing(a_), Standing::holder);
  EXPECT_EQ(told(), "b1 c1 ");
}

TEST_F(ReservationRulesTest, MovesToAnother) {
  for (bool unregister : {false, true}) {
    three(Type::exclusive_access);
    NexusName destination{"d", 1};
    ReservationRequest request{.action = register_and_move,
                               .key = 1,
                               .service_key = 4,
                               .aptpl = true,
                               .destination = destination,
                               .unregister = unregister};
    EXPECT_EQ(ask(a_, request), done);
    EXPECT_EQ(standing(destination), Standing::holder);
    EXPECT_EQ(state_.find(destination)->key, 4u);
    EXPECT_EQ(standing(a_), unregister ? Standing::stranger : Standing::registrant);
    EXPECT_EQ(state_.type, Type::exclusive_access);
    EXPECT_TRUE(state_.aptpl);
    EXPECT_EQ(state_.generation, 4u);
  }
}

TEST_F(ReservationRulesTest, MovesToOneWhoIsRegistered) {
  three(Type::exclusive_access);
  EXPECT_EQ(ask(a_, {.action = register_and_move, .key = 1, .service_key = 8, .destination = b_}),
            done);
  EXPECT_EQ(standing(b_), Standing::holder);
  EXPECT_EQ(state_.find(b_)->key, 8u);
}

TEST_F(ReservationRulesTest, MoveNeedsOneHolderAndAnotherNexus) {
  ReservationRequest request{
      .action = register_and_move, .key = 1, .service_key = 4, .destination = {"d", 1}};
  three(Type::none);
  EXPECT_EQ(ask(a_, request), conflict);
  three(Type::write_exclusive_all_registrants);
  EXPECT_EQ(ask(a_, request), conflict);
  three(Type::write_exclusive);
  request.key = 2;
  EXPECT_EQ(ask(b_, request), conflict);
  request.key = 1;
  request.service_key = 0;
  EXPECT_EQ(ask(a_, request), invalid_parameter);
  request.service_key = 4;
  request.destination = a_;
  EXPECT_EQ(ask(a_, request), invalid_parameter);
}

}  // namespace
}  // namespace caisson::object

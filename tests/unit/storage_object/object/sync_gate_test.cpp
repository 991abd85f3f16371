// SPDX-License-Identifier: Apache-2.0
#include "storage_object/object/sync_gate.hpp"

#include <gtest/gtest.h>

#include <optional>

namespace caisson::object {
namespace {

struct Sync {
  SyncGate::Ticket ticket;
  std::optional<bool> verdict;

  Sync() {
    ticket.owner = this;
    ticket.verdict = [](SyncGate::Ticket& self, bool good) noexcept {
      static_cast<Sync*>(self.owner)->verdict = good;
    };
  }
};

TEST(SyncGate, OneAloneIsAnsweredAtOnce) {
  SyncGate gate;
  Sync a;
  gate.begin(a.ticket);
  EXPECT_EQ(gate.end(a.ticket, false), SyncGate::Answer::good);
}

TEST(SyncGate, AGoodAnswerWaitsForThoseThatRanBesideIt) {
  SyncGate gate;
  Sync a, b;
  gate.begin(a.ticket);
  gate.begin(b.ticket);
  EXPECT_EQ(gate.end(b.ticket, false), SyncGate::Answer::later);
  EXPECT_FALSE(b.verdict);
  EXPECT_EQ(gate.end(a.ticket, false), SyncGate::Answer::good);
  EXPECT_EQ(b.verdict, true);
}

TEST(SyncGate, OneFailureSpoilsThoseBesideItAndAllLater) {
  SyncGate gate;
  Sync a, b, c;
  gate.begin(a.ticket);
  gate.begin(b.ticket);
  EXPECT_EQ(gate.end(b.ticket, false), SyncGate::Answer::later);
  EXPECT_EQ(gate.end(a.ticket, true), SyncGate::Answer::bad);
  EXPECT_EQ(b.verdict, false);
  gate.begin(c.ticket);
  EXPECT_EQ(gate.end(c.ticket, false), SyncGate::Answer::bad);
  EXPECT_TRUE(gate.reopen(1));
  gate.begin(c.ticket);
  EXPECT_EQ(gate.end(c.ticket, false), SyncGate::Answer::good);
}

TEST(SyncGate, WhatRanWhenItFailedStaysBadAfterReopening) {
  for (bool from_outside : {false, true}) {
    SyncGate gate;
    Sync old, failing, fresh;
    gate.begin(old.ticket);
    gate.begin(failing.ticket);
    if (from_outside) gate.spoil();
    EXPECT_EQ(gate.end(failing.ticket, !from_outside), SyncGate::Answer::bad);
    EXPECT_TRUE(gate.reopen(1));
    gate.begin(fresh.ticket);
    EXPECT_EQ(gate.end(old.ticket, false), SyncGate::Answer::bad);
    EXPECT_EQ(gate.end(fresh.ticket, false), SyncGate::Answer::good);
  }
}

TEST(SyncGate, AFailureFromOutsideEndsEveryWait) {
  SyncGate gate;
  Sync running, waiting;
  gate.begin(running.ticket);
  gate.begin(waiting.ticket);
  EXPECT_EQ(gate.end(waiting.ticket, false), SyncGate::Answer::later);
  gate.spoil();
  EXPECT_EQ(waiting.verdict, false);
  EXPECT_EQ(gate.end(running.ticket, false), SyncGate::Answer::bad);
}

TEST(SyncGate, AFailureThatNobodyAcceptedKeepsItClosed) {
  SyncGate gate;
  Sync a;
  auto seen = gate.spoil();
  gate.spoil();
  EXPECT_FALSE(gate.reopen(seen));
  gate.begin(a.ticket);
  EXPECT_EQ(gate.end(a.ticket, false), SyncGate::Answer::bad);
  EXPECT_TRUE(gate.reopen(gate.failures()));
}

TEST(SyncGate, OneThatKnowsOfAFailureIsSpoiledByLaterOnesOnly) {
  SyncGate gate;
  Sync a, b, beside;
  auto known = gate.failures();
  gate.begin(beside.ticket);
  gate.spoil();
  gate.begin(a.ticket, known);
  EXPECT_EQ(gate.end(a.ticket, false), SyncGate::Answer::bad);
  gate.begin(a.ticket, a.ticket.failures);
  EXPECT_EQ(gate.end(a.ticket, false), SyncGate::Answer::later);
  EXPECT_EQ(gate.end(beside.ticket, false), SyncGate::Answer::bad);
  EXPECT_EQ(a.verdict, true);
  gate.begin(beside.ticket);
  gate.begin(b.ticket, gate.failures());
  EXPECT_EQ(gate.end(beside.ticket, true), SyncGate::Answer::bad);
  EXPECT_EQ(gate.end(b.ticket, false), SyncGate::Answer::bad);
}

TEST(SyncGate, ASteadyStreamDoesNotStarveAWaiter) {
  SyncGate gate;
  Sync waiting, first, later;
  gate.begin(first.ticket);
  gate.begin(waiting.ticket);
  EXPECT_EQ(gate.end(waiting.ticket, false), SyncGate::Answer::later);
  gate.begin(later.ticket);  // began after it ended: it does not wait for this one
  EXPECT_EQ(gate.end(first.ticket, false), SyncGate::Answer::later);
  EXPECT_EQ(waiting.verdict, true);
}

}  // namespace
}  // namespace caisson::object

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
  gate.reopen();
  gate.begin(c.ticket);
  EXPECT_EQ(gate.end(c.ticket, false), SyncGate::Answer::good);
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

// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/soak/region.hpp"

#include <algorithm>
#include <stdexcept>

#include "storage_object/base/byte_order.hpp"

namespace caisson::tests {

using namespace iscsi;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kMostBlocks = 32;
constexpr auto kSilence = 500ms;  ///< after which a command may have been taken away

}  // namespace

RegionCounts& RegionCounts::operator+=(const RegionCounts& other) {
  writes += other.writes;
  reads += other.reads;
  unmaps += other.unmaps;
  flushes += other.flushes;
  vanished += other.vanished;
  cuts += other.cuts;
  return *this;
}

Region::Region(Place place, std::uint32_t number, std::uint32_t blocks)
    : place_(std::move(place)),
      first_(std::uint64_t{number} * blocks),
      number_(number),
      may_hold_(blocks, Candidates{0}),
      random_(number) {}

void Region::connect() {
  auto until = std::chrono::steady_clock::now() + 30s;
  for (;;) {
    try {
      session_ = std::make_unique<IscsiClient>(place_.port);
      session_->name = "iqn.2026-11.io.caisson.test:soak" + std::to_string(number_);
      if (session_->login(place_.target).status != 0) throw std::runtime_error("login refused");
      session_->clear_attentions();
      return;
    } catch (const std::runtime_error&) {
      if (std::chrono::steady_clock::now() > until) throw;
    }
  }
}

void Region::leave() {
  if (random_() % 2 == 0) session_->logout();
  session_.reset();
}

void Region::step() {
  if (!session_) connect();
  auto count = 1 + random_() % kMostBlocks;
  auto first = static_cast<std::uint32_t>(random_() % (may_hold_.size() - count + 1));
  switch (random_() % 32) {
    case 0: return leave();
    case 1: return cut_while_writing(first, count);
    case 2: return flush();
    case 3: return unmap(first, count);
    default: break;
  }
  random_() % 2 == 0 ? write(first, count) : read(first, count);
}

void Region::verify() {
  if (!session_) connect();
  for (std::uint32_t block = 0; block < may_hold_.size(); ++block) read(block, 1);
}

std::vector<std::byte> Region::fill(std::uint32_t first, std::uint32_t count,
                                    std::uint64_t generation) {
  std::vector<std::byte> data(std::size_t{count} * kBlock);
  for (std::size_t at = 0; at < data.size(); at += 16) {
    store(std::span(data).subspan(at), be64(generation));
    store(std::span(data).subspan(at + 8), be64(first_ + first + at / kBlock));
  }
  return data;
}

void Region::note(std::uint32_t first, std::uint32_t count, std::uint64_t value, End end) {
  for (auto block = first; block < first + count; ++block) {
    if (end == End::good) may_hold_[block].clear();
    if (end != End::refused) may_hold_[block].push_back(value);
  }
}

void Region::write(std::uint32_t first, std::uint32_t count) {
  auto data = fill(first, count, ++generation_);
  auto answer = run(write_16(lba(first), count * 8), kFinalBit | kWriteBit,
                    static_cast<std::uint32_t>(data.size()), data);
  note(first, count, generation_, answer.end);
  ++counts_.writes;
}

void Region::read(std::uint32_t first, std::uint32_t count) {
  Answer answer;
  do {
    answer = run(read_16(lba(first), count * 8), kFinalBit | kReadBit, count * kBlock, {});
  } while (answer.end != End::good);
  if (answer.data.size() != std::size_t{count} * kBlock) throw std::runtime_error("a short read");
  for (std::uint32_t i = 0; i < count; ++i)
    check(first + i, std::span(answer.data).subspan(std::size_t{i} * kBlock, kBlock));
  ++counts_.reads;
}

void Region::check(std::uint32_t block, std::span<const std::byte> held) {
  auto value = std::uint64_t{load<be64>(held)};
  auto expected = value == 0 ? std::vector<std::byte>(kBlock) : fill(block, 1, value);
  auto& candidates = may_hold_[block];
  if (!std::ranges::equal(held, expected) || std::ranges::count(candidates, value) == 0)
    throw std::runtime_error("region " + std::to_string(number_) + " of " + place_.target +
                             ": block " + std::to_string(block) + " holds generation " +
                             std::to_string(value) + ", the newest answered one is " +
                             std::to_string(candidates.front()));
  candidates = {value};
}

void Region::unmap(std::uint32_t first, std::uint32_t count) {
  std::vector<std::byte> cdb(16), list(24);
  cdb[0] = std::byte{0x42};
  store(std::span(cdb).subspan(7), be16(static_cast<std::uint16_t>(list.size())));
  store(std::span(list), be16(22));
  store(std::span(list).subspan(2), be16(16));
  store(std::span(list).subspan(8), be64(lba(first)));
  store(std::span(list).subspan(16), be32(count * 8));
  auto answer = run(cdb, kFinalBit | kWriteBit, static_cast<std::uint32_t>(list.size()), list);
  note(first, count, 0, answer.end);
  ++counts_.unmaps;
}

void Region::flush() {
  std::vector<std::byte> cdb(16);
  cdb[0] = std::byte{0x35};
  run(cdb, kFinalBit, 0, {});
  ++counts_.flushes;
}

void Region::cut_while_writing(std::uint32_t first, std::uint32_t count) {
  auto data = fill(first, count, ++generation_);
  send(write_16(lba(first), count * 8), kFinalBit | kWriteBit,
       static_cast<std::uint32_t>(data.size()), data);
  note(first, count, generation_, End::vanished);
  session_.reset();
  ++counts_.cuts;
}

std::uint32_t Region::send(std::span<const std::byte> cdb, std::byte flags, std::uint32_t expected,
                           std::span<const std::byte> out) {
  auto immediate = std::min<std::size_t>({out.size(), session_->max_recv, session_->first_burst});
  return session_->send_command(cdb, flags, expected, out.first(immediate));
}

Region::Answer Region::run(std::span<const std::byte> cdb, std::byte flags, std::uint32_t expected,
                           std::span<const std::byte> out) {
  if (!session_) connect();
  return await(send(cdb, flags, expected, out), out);
}

/// Until the command's status comes, or a later command tells of a reset: then it is gone.
Region::Answer Region::await(std::uint32_t tag, std::span<const std::byte> out) {
  Answer answer;
  std::optional<std::uint32_t> probe;
  for (;;) {
    if (!probe && !session_->readable(kSilence))
      probe = session_->send_command(test_unit_ready(), kFinalBit, 0);
    auto pdu = session_->receive(30s);
    std::uint32_t of = pdu.bhs.initiator_task_tag;
    if (pdu.opcode() == Opcode::ready_to_transfer && of == tag) {
      session_->answer_r2t(pdu, out);
    } else if (pdu.opcode() == Opcode::data_in && of == tag) {
      auto header = pdu.as<DataInBhs>();
      answer.data.insert(answer.data.end(), pdu.data.begin(), pdu.data.end());
      if ((header.flags & kStatusBit) == std::byte{0}) continue;
      answer.end = header.status == 0 ? End::good : End::refused;
      if (!probe) return answer;
      tag = kNoTag;
    } else if (pdu.opcode() == Opcode::scsi_response && of == tag) {
      answer.end = pdu.as<ScsiResponseBhs>().status == 0 ? End::good : End::refused;
      if (!probe) return answer;
      tag = kNoTag;
    } else if (pdu.opcode() == Opcode::scsi_response && of == probe) {
      bool attention = pdu.as<ScsiResponseBhs>().status != 0;
      if (tag == kNoTag) return answer;
      if (attention) return ++counts_.vanished, Answer{};
      probe.reset();
    } else {
      throw std::runtime_error("region " + std::to_string(number_) + ": an answer to no command");
    }
  }
}

}  // namespace caisson::tests

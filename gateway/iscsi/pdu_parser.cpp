// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/pdu_parser.hpp"

#include <algorithm>
#include <cstring>

#include "gateway/iscsi/iscsi_errc.hpp"
#include "storage_object/base/crc32c.hpp"

namespace caisson::iscsi {
namespace {

/// CRC32C is sent with its first byte lowest (RFC 7143 13.1), unlike all else.
std::uint32_t read_digest(std::span<const std::byte> bytes) { return load<le32>(bytes); }

}  // namespace

std::size_t PduParser::header_length() const noexcept {
  return kBhsLength + std::size_t{pdu_.bhs.total_ahs_length} * 4;
}

std::size_t PduParser::tail_length() const noexcept {
  return padded(data_length_) - data_length_ + (config_.data_digest ? kDigestLength : 0);
}

void PduParser::expect(Stage stage, std::size_t need) noexcept {
  stage_ = stage;
  have_ = 0;
  need_ = need;
}

Error PduParser::feed(std::span<const std::byte> bytes) {
  while (!bytes.empty())
    if (auto error = step(bytes)) return error;
  return {};
}

void PduParser::collect(std::span<const std::byte>& bytes) {
  auto n = std::min(need_ - have_, bytes.size());
  auto* to = stage_ == Stage::data   ? (data_.empty() ? nullptr : data_.data() + have_)
             : stage_ == Stage::tail ? tail_.data() + have_
             : stage_ == Stage::bhs  ? header_.data() + have_
                                     : header_.data() + kBhsLength + have_;
  if (to != nullptr && n != 0) std::memcpy(to, bytes.data(), n);
  have_ += n;
  bytes = bytes.subspan(n);
}

Error PduParser::step(std::span<const std::byte>& bytes) {
  collect(bytes);
  if (have_ < need_) return {};
  switch (stage_) {
    case Stage::bhs: return header_begun();
    case Stage::rest_of_header: return header_complete();
    case Stage::data:
      if (tail_length() == 0) return finish();
      expect(Stage::tail, tail_length());
      return {};
    case Stage::tail: return finish();
  }
  return {};
}

Error PduParser::header_begun() {
  pdu_.bhs = load<Bhs>(header_);
  pdu_.ahs = {};
  auto rest = header_length() - kBhsLength + (config_.header_digest ? kDigestLength : 0);
  if (rest == 0) return header_complete();
  expect(Stage::rest_of_header, rest);
  return {};
}

Error PduParser::header_complete() {
  auto length = header_length();
  if (config_.header_digest) {
    std::span<const std::byte> whole(header_);
    if (crc32c(whole.first(length)) != read_digest(whole.subspan(length)))
      return IscsiErrc::header_digest;
  }
  pdu_.ahs = std::span<const std::byte>(header_).subspan(kBhsLength, length - kBhsLength);
  data_length_ = pdu_.bhs.data_segment_length;
  data_ = {};
  if (data_length_ > config_.max_data) return IscsiErrc::segment_too_long;
  if (find_opcode(pdu_.bhs.code()) == nullptr) return IscsiErrc::bad_opcode;
  if (data_length_ == 0) return finish();
  auto place = sink_.on_header(pdu_);
  if (!place) return place.error();
  data_ = *place;
  expect(Stage::data, data_length_);
  return {};
}

Error PduParser::finish() {
  bool intact = true;
  if (data_length_ != 0 && config_.data_digest && !data_.empty()) {
    auto pad = padded(data_length_) - data_length_;
    std::span<const std::byte> tail(tail_);
    auto sum = crc32c(tail.first(pad), crc32c(data_.first(data_length_)));
    intact = sum == read_digest(tail.subspan(pad));
  }
  auto data = std::span<const std::byte>(data_);
  expect(Stage::bhs, kBhsLength);
  if (auto taken = sink_.on_pdu(pdu_, data.first(data.empty() ? 0 : data_length_), intact); !taken)
    return taken.error();
  return {};
}

std::span<std::byte> PduParser::direct() noexcept {
  if (stage_ != Stage::data || data_.empty()) return {};
  return data_.subspan(have_, need_ - have_);
}

Error PduParser::advance(std::size_t received) {
  have_ += received;
  std::span<const std::byte> nothing;
  return step(nothing);
}

}  // namespace caisson::iscsi

// SPDX-License-Identifier: Apache-2.0
#include "gateway/iscsi/parameters.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gateway/iscsi/text.hpp"
#include "storage_object/base/errc.hpp"

namespace caisson::iscsi {
namespace {

constexpr std::uint32_t kMax24 = 0xffffff;
using P = SessionParameters;
using O = TargetOffer;
using K = KeyKind;

// clang-format off
constexpr KeySpec kKeys[] = {
  // name                    kind            full   irrel. low  high    result                     offer                    ours values
  {"AuthMethod",             K::security,    false, false, 0,   0,      nullptr,                   nullptr,                 0, {}},
  {"CHAP_A",                 K::security,    false, false, 0,   0,      nullptr,                   nullptr,                 0, {}},
  {"CHAP_C",                 K::security,    false, false, 0,   0,      nullptr,                   nullptr,                 0, {}},
  {"CHAP_I",                 K::security,    false, false, 0,   0,      nullptr,                   nullptr,                 0, {}},
  {"CHAP_N",                 K::security,    false, false, 0,   0,      nullptr,                   nullptr,                 0, {}},
  {"CHAP_R",                 K::security,    false, false, 0,   0,      nullptr,                   nullptr,                 0, {}},
  {"DataDigest",             K::list,        false, false, 0,   0,      &P::data_digest,           nullptr,                 0, "None,CRC32C"},
  {"DataPDUInOrder",         K::boolean_or,  false, true,  0,   0,      &P::data_pdu_in_order,     nullptr,                 1, {}},
  {"DataSequenceInOrder",    K::boolean_or,  false, true,  0,   0,      &P::data_sequence_in_order, nullptr,                1, {}},
  {"DefaultTime2Retain",     K::minimum,     false, false, 0,   3600,   &P::time_to_retain,        nullptr,                 0, {}},
  {"DefaultTime2Wait",       K::maximum,     false, false, 0,   3600,   &P::time_to_wait,          nullptr,                 2, {}},
  {"ErrorRecoveryLevel",     K::minimum,     false, false, 0,   2,      &P::error_recovery_level,  nullptr,                 0, {}},
  {"FirstBurstLength",       K::minimum,     false, true,  512, kMax24, &P::first_burst,           &O::first_burst,         0, {}},
  {"HeaderDigest",           K::list,        false, false, 0,   0,      &P::header_digest,         nullptr,                 0, "None,CRC32C"},
  {"IFMarkInt",              K::obsolete,    false, false, 0,   0,      nullptr,                   nullptr,                 0, "Reject"},
  {"IFMarker",               K::obsolete,    false, false, 0,   0,      nullptr,                   nullptr,                 0, "No"},
  {"ImmediateData",          K::boolean_and, false, true,  0,   0,      &P::immediate_data,        nullptr,                 1, {}},
  {"InitialR2T",             K::boolean_or,  false, true,  0,   0,      &P::initial_r2t,           nullptr,                 0, {}},
  {"InitiatorAlias",         K::identity,    true,  false, 0,   0,      nullptr,                   nullptr,                 0, {}},
  {"InitiatorName",          K::identity,    false, false, 0,   0,      nullptr,                   nullptr,                 0, {}},
  {"MaxBurstLength",         K::minimum,     false, true,  512, kMax24, &P::max_burst,             &O::max_burst,           0, {}},
  {"MaxConnections",         K::minimum,     false, true,  1,   65535,  &P::max_connections,       nullptr,                 1, {}},
  {"MaxOutstandingR2T",      K::minimum,     false, true,  1,   65535,  &P::max_outstanding_r2t,   &O::max_outstanding_r2t, 0, {}},
  {"MaxRecvDataSegmentLength", K::declaration, true, false, 512, kMax24, &P::peer_max_recv,         nullptr,                 0, {}},
  {"OFMarkInt",              K::obsolete,    false, false, 0,   0,      nullptr,                   nullptr,                 0, "Reject"},
  {"OFMarker",               K::obsolete,    false, false, 0,   0,      nullptr,                   nullptr,                 0, "No"},
  {"SendTargets",            K::identity,    true,  false, 0,   0,      nullptr,                   nullptr,                 0, {}},
  {"SessionType",            K::identity,    false, false, 0,   0,      nullptr,                   nullptr,                 0, {}},
  {"TargetName",             K::identity,    false, false, 0,   0,      nullptr,                   nullptr,                 0, {}},
  {"TaskReporting",          K::list,        false, true,  0,   0,      nullptr,                   nullptr,                 0, "RFC3720"},
  {"iSCSIProtocolLevel",     K::minimum,     false, true,  0,   31,     &P::protocol_level,        nullptr,                 2, {}},
};
// clang-format on
static_assert(std::ranges::is_sorted(kKeys, {}, &KeySpec::name));
static_assert(std::size(kKeys) <= 64);

/// Answers to offers of ours; we make none that could be answered so.
bool reserved_answer(std::string_view value) noexcept {
  return value == "Reject" || value == "Irrelevant" || value == "NotUnderstood";
}

}  // namespace

std::span<const KeySpec> key_table() noexcept { return kKeys; }

const KeySpec* find_key(std::string_view name) noexcept {
  const auto* row = std::ranges::lower_bound(kKeys, name, {}, &KeySpec::name);
  return row != std::end(kKeys) && row->name == name ? row : nullptr;
}

Outcome<> Negotiation::take(std::string_view key, std::string_view value, Stage stage,
                            std::string& answer) {
  const auto* spec = find_key(key);
  if (spec == nullptr) {
    if (!reserved_answer(value)) append_text(answer, key, "NotUnderstood");
    return {};
  }
  if (stage == Stage::full_feature ? !spec->full_feature : stage != Stage::operational)
    return failure(Errc::protocol, fmt::format("{} does not belong into this stage", key));
  auto index = static_cast<std::size_t>(spec - std::begin(kKeys));
  if (seen_[index] && stage != Stage::full_feature)
    return failure(Errc::protocol, fmt::format("{} was negotiated twice", key));
  seen_.set(index);
  if (reserved_answer(value)) return {};  // takes our declaration back; the default stands
  if (auto text = decide(*spec, value); !text.empty()) append_text(answer, key, text);
  return {};
}

std::string Negotiation::decide(const KeySpec& spec, std::string_view value) {
  if (discovery_ && spec.irrelevant_in_discovery) return "Irrelevant";
  switch (spec.kind) {
    case K::list: return decide_list(spec, value);
    case K::boolean_or:
    case K::boolean_and: return decide_boolean(spec, value);
    case K::minimum:
    case K::maximum:
    case K::declaration: return decide_number(spec, value);
    case K::obsolete: return std::string(spec.values);
    case K::identity:
    case K::security: return {};
  }
  return {};
}

std::string Negotiation::decide_number(const KeySpec& spec, std::string_view value) {
  auto number = parse_number(value);
  if (!number || *number < spec.low || *number > spec.high) return "Reject";
  auto theirs = static_cast<std::uint32_t>(*number);
  auto ours = spec.offer != nullptr ? offer_.*spec.offer : spec.ours;
  auto chosen = spec.kind == K::minimum   ? std::min(theirs, ours)
                : spec.kind == K::maximum ? std::max(theirs, ours)
                                          : theirs;
  agreed_.*spec.result = chosen;
  return spec.kind == K::declaration ? std::string() : std::to_string(chosen);
}

std::string Negotiation::decide_boolean(const KeySpec& spec, std::string_view value) {
  if (value != "Yes" && value != "No") return "Reject";
  bool theirs = value == "Yes";
  bool ours = spec.ours != 0;
  bool chosen = spec.kind == K::boolean_or ? theirs || ours : theirs && ours;
  agreed_.*spec.result = chosen ? 1 : 0;
  return chosen ? "Yes" : "No";
}

std::string Negotiation::decide_list(const KeySpec& spec, std::string_view value) {
  auto known = split_list(spec.values);
  for (auto offered : split_list(value)) {
    auto match = std::ranges::find(known, offered);
    if (match == known.end()) continue;
    if (spec.result != nullptr)
      agreed_.*spec.result = static_cast<std::uint32_t>(match - known.begin());
    return std::string(offered);
  }
  return "Reject";
}

void Negotiation::declare(std::string& answer) {
  if (declared_) return;
  declared_ = true;
  append_text(answer, "MaxRecvDataSegmentLength", std::to_string(offer_.max_recv));
}

}  // namespace caisson::iscsi

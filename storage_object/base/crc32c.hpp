// SPDX-License-Identifier: Apache-2.0
// CRC32C (Castagnoli) as iSCSI digests, trailer slots and NBS frames use it
// (RFC 7143 13.1; RFC 3720 B.4 has the test vectors). By ISA-L.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace caisson {

/// CRC32C of `bytes`. To continue over several pieces, hand in the result of
/// the piece before: crc32c(b, crc32c(a)) == crc32c(a then b).
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t previous = 0) noexcept;

}  // namespace caisson

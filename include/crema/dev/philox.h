// Counted random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as
// easy as 1, 2, 3", 2011). A number is a function of (seed, key, step, index), so it is the same
// on every device, for any number of threads, and after any resume. What is constexpr may be called
// from kernels and from the host; RandomNormal from the target's own side only.
#pragma once

#include <cmath>
#include <cstdint>

#include "target/target.h"

namespace crema {
inline namespace CREMA_TARGET {

// One block of 128 random bits.
struct Philox4 {
  uint32_t word[4];
};

// The raw generator: counter (c0..c3) under key (k0, k1).
constexpr Philox4 Philox(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0,
                         uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0;
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// Mixes seed and key into one 64-bit generator key (the finaliser of MurmurHash3).
constexpr uint64_t MixKeys(uint64_t seed, uint64_t key) {
  uint64_t x = seed ^ (key + 0x9E3779B97F4A7C15ull + (seed << 6) + (seed >> 2));
  x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCDull;
  x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53ull;
  return x ^ (x >> 33);
}

// 32 random bits; `mixed` is MixKeys(seed, key).
constexpr uint32_t RandomBits(uint64_t mixed, uint64_t step, uint64_t index) {
  const uint64_t block = index >> 2;
  const Philox4 out = Philox(static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                             static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32),
                             static_cast<uint32_t>(mixed), static_cast<uint32_t>(mixed >> 32));
  return out.word[index & 3];
}

// Uniform in [0, 1), a multiple of 2^-24.
constexpr float RandomUniform(uint64_t mixed, uint64_t step, uint64_t index) {
  return static_cast<float>(RandomBits(mixed, step, index) >> 8) * (1.0f / 16777216.0f);
}

// Uniform integer in [0, n), n >= 1 (the bias of n / 2^32 is below what training can notice).
constexpr uint32_t RandomBelow(uint64_t mixed, uint64_t step, uint64_t index, uint32_t n) {
  return static_cast<uint32_t>((uint64_t{RandomBits(mixed, step, index)} * n) >> 32);
}

// Normal with mean 0 and variance 1 (Box and Muller 1958).
HD inline float RandomNormal(uint64_t mixed, uint64_t step, uint64_t index) {
  const double u = (RandomBits(mixed, step, 2 * index) + 1.0) * (1.0 / 4294967296.0);
  const double v = RandomBits(mixed, step, 2 * index + 1) * (1.0 / 4294967296.0);
  return static_cast<float>(sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v));
}

}  // namespace CREMA_TARGET
}  // namespace crema

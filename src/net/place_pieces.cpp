// Offsets for pieces of memory that are not all needed at the same time. To find the best ones is
// NP-hard; one piece after the other, each into the smallest gap that it fits (Pisarchyk and Lee,
// "Efficient memory management for deep neural net inference", 2020), comes close to the least
// possible for nets. Which order is best depends on the net: the largest first, or the one that
// lives longest, or the one with the largest product of both.
//
// That looks at every pair of pieces. Nets with many thousands have mostly small ones; those come
// behind the others, by the step, as an allocator would place them.
#include <map>
#include <numeric>
#include <set>

#include "net/passes.h"

namespace crema {
namespace {

// The offset of the smallest gap between `placed`, sorted by offset, that takes `bytes`; the end
// where none does.
int64_t FindGap(const std::vector<const MemoryPiece*>& placed, int64_t bytes) {
  int64_t best = -1, best_size = 0, end = 0;
  for (const MemoryPiece* piece : placed) {
    const int64_t gap = piece->offset - end;
    if (gap >= bytes && (best < 0 || gap < best_size)) {
      best = end;
      best_size = gap;
    }
    end = std::max(end, piece->offset + piece->bytes);
  }
  return best < 0 ? end : best;
}

// The lowest offset with which the middle of the piece is that of one in `all` and it meets none of
// `neighbours`; behind these where there is none.
int64_t FindMiddle(const std::vector<const MemoryPiece*>& all,
                   const std::vector<const MemoryPiece*>& neighbours, int64_t bytes) {
  int64_t best = -1, end = 0;
  for (const MemoryPiece* piece : neighbours) end = std::max(end, piece->offset + piece->bytes);
  const auto is_free = [&](int64_t offset) {
    return std::all_of(neighbours.begin(), neighbours.end(), [&](const MemoryPiece* piece) {
      return offset + bytes <= piece->offset || piece->offset + piece->bytes <= offset;
    });
  };
  for (const MemoryPiece* piece : all) {
    const int64_t offset = piece->offset + AlignUp((piece->bytes - bytes) / 2);
    if (offset >= 0 && (best < 0 || offset < best) && is_free(offset)) best = offset;
  }
  return best < 0 ? end : best;
}

// One after the other in this order. Returns the bytes that all take together.
int64_t PlaceInOrder(const std::vector<size_t>& order, bool by_middle,
                     std::vector<MemoryPiece>* pieces) {
  std::vector<const MemoryPiece*> placed;  // sorted by offset
  int64_t total = 0;
  for (size_t index : order) {
    MemoryPiece& piece = (*pieces)[index];
    std::vector<const MemoryPiece*> neighbours;
    for (const MemoryPiece* other : placed) {
      if (other->Meets(piece)) neighbours.push_back(other);
    }
    piece.offset =
        by_middle ? FindMiddle(placed, neighbours, piece.bytes) : FindGap(neighbours, piece.bytes);
    total = std::max(total, piece.offset + piece.bytes);
    const auto after = [&](const MemoryPiece* other) { return other->offset > piece.offset; };
    placed.insert(std::find_if(placed.begin(), placed.end(), after), &piece);
  }
  return total;
}

// In the best of several orders.
int64_t PlaceEach(bool by_middle, std::vector<MemoryPiece>* pieces) {
  using Piece = const MemoryPiece&;
  const auto larger = [](Piece a, Piece b) { return a.bytes > b.bytes; };
  const auto steps = [](Piece p) {
    return p.life.last - p.life.first +
           (p.recomputed.empty() ? 0 : p.recomputed.last - p.recomputed.first + 1);
  };
  const auto longer = [&](Piece a, Piece b) { return steps(a) > steps(b); };
  const auto area = [&](Piece p) { return static_cast<double>(p.bytes) * (steps(p) + 1); };
  const auto wider = [&](Piece a, Piece b) { return area(a) > area(b); };

  std::vector<size_t> order(pieces->size());
  std::iota(order.begin(), order.end(), 0);
  int64_t best = -1;
  std::vector<MemoryPiece> candidate = *pieces;
  const auto place = [&](const auto& goes_first, bool middles) {
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return goes_first((*pieces)[a], (*pieces)[b]); });
    return PlaceInOrder(order, middles, &candidate);
  };
  const auto try_order = [&](const auto& goes_first) {
    const int64_t total = place(goes_first, false);
    if (best >= 0 && total >= best) return;
    best = total;
    *pieces = candidate;
  };
  try_order(larger);
  try_order(longer);  // those of one life in the order of their sizes
  try_order(wider);
  constexpr size_t kMostMiddles = 1024;  // each is tried for each piece, against all others
  if (!by_middle || pieces->size() > kMostMiddles) return best;
  const int64_t total = place(larger, true);
  if (4 * total > 5 * best) return best;
  *pieces = candidate;
  return total;
}

// Memory that is given away and comes back: from the smallest part that is free and large enough,
// the lowest of several, or from the end.
class Allocator {
 public:
  explicit Allocator(int64_t start) : end_(start) {}

  int64_t end() const { return end_; }

  int64_t Take(int64_t bytes) {
    const auto it = by_size_.lower_bound({bytes, 0});
    if (it == by_size_.end()) {
      end_ += bytes;
      return end_ - bytes;
    }
    const auto [size, offset] = *it;
    Remove(offset, size);
    if (size > bytes) Add(offset + bytes, size - bytes);
    return offset;
  }

  void Give(int64_t offset, int64_t bytes) {
    const auto next = by_offset_.lower_bound(offset);
    if (next != by_offset_.begin()) {
      const auto [before, size] = *std::prev(next);
      if (before + size == offset) {
        Remove(before, size);
        offset = before;
        bytes += size;
      }
    }
    const auto behind = by_offset_.find(offset + bytes);
    if (behind != by_offset_.end()) {
      const int64_t size = behind->second;
      Remove(offset + bytes, size);
      bytes += size;
    }
    Add(offset, bytes);
  }

 private:
  void Add(int64_t offset, int64_t bytes) {
    by_offset_[offset] = bytes;
    by_size_.insert({bytes, offset});
  }
  void Remove(int64_t offset, int64_t bytes) {
    by_offset_.erase(offset);
    by_size_.erase({bytes, offset});
  }

  int64_t end_;
  std::map<int64_t, int64_t> by_offset_;  // of what is free: its size
  std::set<std::pair<int64_t, int64_t>> by_size_;
};

// From the offset `start` on, in the order in which their lives begin; between a first life and a
// second one a piece keeps its memory. Returns where they end.
int64_t PlaceByStep(int64_t start, std::vector<MemoryPiece>* pieces) {
  const auto last = [&](size_t i) {
    const MemoryPiece& piece = (*pieces)[i];
    return std::max(piece.life.last, piece.recomputed.last);
  };
  std::vector<size_t> order(pieces->size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return (*pieces)[a].life.first < (*pieces)[b].life.first;
  });
  Allocator allocator(start);
  std::set<std::pair<int, size_t>> taken;  // by the last step
  for (size_t i : order) {
    MemoryPiece& piece = (*pieces)[i];
    while (!taken.empty() && taken.begin()->first < piece.life.first) {
      const MemoryPiece& done = (*pieces)[taken.begin()->second];
      allocator.Give(done.offset, done.bytes);
      taken.erase(taken.begin());
    }
    piece.offset = allocator.Take(piece.bytes);
    taken.insert({last(i), i});
  }
  return allocator.end();
}

}  // namespace

int64_t PlacePieces(bool by_middle, std::vector<MemoryPiece>* pieces) {
  constexpr size_t kMostPairs = 4096;  // of these: a tenth of a second
  if (pieces->size() <= kMostPairs) return PlaceEach(by_middle, pieces);
  std::vector<size_t> order(pieces->size());
  std::iota(order.begin(), order.end(), 0);
  // Those with a second life first: by the step they would keep their memory meanwhile.
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const MemoryPiece &one = (*pieces)[a], &other = (*pieces)[b];
    const bool recomputed = !one.recomputed.empty(), also = !other.recomputed.empty();
    return recomputed != also ? recomputed : one.bytes > other.bytes;
  });
  std::vector<MemoryPiece> some, rest;
  for (size_t i = 0; i < order.size(); ++i) {
    (i < kMostPairs ? some : rest).push_back((*pieces)[order[i]]);
  }
  const int64_t total = PlaceByStep(PlaceEach(by_middle, &some), &rest);
  for (size_t i = 0; i < order.size(); ++i) {
    const MemoryPiece& placed = i < kMostPairs ? some[i] : rest[i - kMostPairs];
    (*pieces)[order[i]].offset = placed.offset;
  }
  return total;
}

}  // namespace crema

"""The split: integers that never exceed the budget, and a floor nobody can move."""

from hypothesis import given
from hypothesis import strategies as st

from edgeproof.proofs import split
from edgeproof.proofs.split import HISTORY, WeightSum

amounts = st.integers(0, 10**27)
weights = st.dictionaries(st.integers(0, 50), st.integers(0, 2**120), max_size=10)


@given(budget=amounts, by_name=weights, floor=st.integers(1, 2**120))
def test_rewards_are_exact_shares_rounded_down_and_within_the_budget(
    budget: int, by_name: dict[int, int], floor: int
) -> None:
    rewards = split.split(budget, by_name, floor)
    assert rewards.keys() == by_name.keys()
    assert sum(rewards.values()) <= budget
    whole = max(sum(by_name.values()), floor)
    for name, reward in rewards.items():
        assert reward * whole <= budget * by_name[name] < (reward + 1) * whole
    if sum(by_name.values()) >= floor:
        # Only dust is left: less than one unit for each name.
        assert budget - sum(rewards.values()) <= max(0, len(rewards) - 1) or not any(
            by_name.values()
        )


@given(
    budget=amounts, by_name=weights, floor=st.integers(1, 2**120), part=st.integers(0)
)
def test_an_identity_split_in_two_never_earns_more(
    budget: int, by_name: dict[int, int], floor: int, part: int
) -> None:
    # Law 3, for the sum of what the two earn.
    by_name = {**by_name, 99: 12345}
    one = part % 12346
    halves = {**by_name, 99: one, 100: 12345 - one}
    whole, parts = (split.split(budget, w, floor) for w in (by_name, halves))
    assert parts[99] + parts[100] <= whole[99]
    assert whole[99] <= parts[99] + parts[100] + 1


def test_without_weight_nothing_is_paid() -> None:
    assert split.split(100, {}, 1) == {}
    assert split.split(100, {"a": 0, "b": 0}, 1) == {"a": 0, "b": 0}


def test_a_lone_device_far_below_the_floor_does_not_take_the_budget() -> None:
    assert split.split(1000, {"a": 1}, 100) == {"a": 10}


@given(budget=amounts, shares=st.lists(st.integers(0, 100), min_size=1, max_size=6))
def test_buckets_share_the_budget_and_keep_the_proportion(
    budget: int, shares: list[int]
) -> None:
    if not any(shares):
        return
    budgets = split.bucket_budgets(budget, shares)
    assert sum(budgets) <= budget < sum(budgets) + len(shares)
    for part, share in zip(budgets, shares, strict=True):
        assert part == budget * share // sum(shares)


sums = st.lists(
    st.builds(WeightSum, st.integers(0, 2**100), st.integers(0, 60)), max_size=30
)


@given(history=sums, slots=st.integers(0, 60), first=st.integers(1, 2**60))
def test_the_floor_is_the_lower_median_of_what_recent_epochs_weighed(
    history: list[WeightSum], slots: int, first: int
) -> None:
    recent = [e.total * slots // e.slots for e in history[-24:] if e.slots]
    padded = sorted(recent + [first] * (24 - len(recent)))
    assert split.floor_weight(history, slots, first) == max(1, padded[11])


def test_epochs_without_history_count_as_the_first_weight() -> None:
    assert split.floor_weight([], 60, 500) == 500


@given(attacked=st.integers(0, 11), low=st.integers(0, 99))
def test_twelve_silenced_epochs_lower_no_floor(attacked: int, low: int) -> None:
    # The lower median is the 12th of 24: eleven low ones stand before it.
    calm = [WeightSum(100, 60)] * (HISTORY - attacked)
    assert split.floor_weight([*calm, *[WeightSum(low, 60)] * attacked], 60, 1) == 100


def test_the_floor_scales_with_the_slots_of_the_epoch() -> None:
    history = [WeightSum(6000, 60)] * HISTORY
    assert split.floor_weight(history, 30, 1) == 3000
    assert split.floor_weight(history, 0, 1) == 1

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Distributor} from "../src/Distributor.sol";
import {Parameters, EpochRoot, PendingRoot} from "../src/Types.sol";
import {Network} from "./Network.sol";
import {vm, assertEq, within} from "./Vm.sol";

contract PostTest is Network {
    function test_a_posted_root_is_pending_and_nothing_is_minted() public {
        endEpoch(3);
        EpochRoot memory root = rootFor(0, 3, 4 * CAP);
        post(root);
        PendingRoot memory pending = distributor.pendingRoot();
        require(keccak256(abi.encode(pending.body)) == keccak256(abi.encode(root)), "stored as posted");
        assertEq(pending.challengeEndsAt, block.timestamp + WINDOW, "window");
        require(pending.vetoable, "vetoable");
        assertEq(token.totalSupply(), 0, "supply");
        assertEq(distributor.nextEpoch(), 0, "next epoch");
    }

    function test_anyone_may_post_with_k_of_n_signatures() public {
        endEpoch(0);
        EpochRoot memory root = rootFor(0, 0, CAP);
        bytes memory signatures = signedBy(2, root);
        vm.prank(address(0xBEEF));
        distributor.post(root, signatures);
    }

    function test_fewer_than_k_signatures_are_refused() public {
        endEpoch(0);
        EpochRoot memory root = rootFor(0, 0, CAP);
        bytes memory signatures = signedBy(1, root);
        vm.expectRevert(_signaturesInvalid(root));
        distributor.post(root, signatures);
    }

    function test_one_attestor_does_not_count_twice() public {
        endEpoch(0);
        EpochRoot memory root = rootFor(0, 0, CAP);
        bytes[] memory signers = new bytes[](2);
        bytes[] memory signatures = new bytes[](2);
        signers[0] = signers[1] = attestors(1)[0];
        signatures[0] = signatures[1] = signature(FIRST_KEY, root);
        vm.expectRevert(_signaturesInvalid(root));
        distributor.post(root, abi.encode(signers, signatures));
    }

    function test_a_stranger_does_not_count() public {
        endEpoch(0);
        EpochRoot memory root = rootFor(0, 0, CAP);
        bytes memory signatures = signedBy(2, root);
        (bytes[] memory signers, bytes[] memory parts) = abi.decode(signatures, (bytes[], bytes[]));
        signers[1] = abi.encodePacked(vm.addr(0xBAD));
        parts[1] = signature(0xBAD, root);
        vm.expectRevert(_signaturesInvalid(root));
        distributor.post(root, abi.encode(signers, parts));
    }

    function test_signatures_cover_every_field() public {
        endEpoch(5);
        EpochRoot memory signed = rootFor(0, 1, CAP);
        bytes memory signatures = signedBy(2, signed);
        for (uint256 field = 0; field < 5; ++field) {
            EpochRoot memory changed = rootFor(0, 1, CAP);
            if (field == 0) changed.firstEpoch = 1;
            if (field == 1) changed.lastEpoch = 2;
            if (field == 2) changed.root = bytes32(uint256(1));
            if (field == 3) changed.cumulativeTotal -= 1;
            if (field == 4) changed.dataHash = bytes32(uint256(1));
            vm.expectRevert(_signaturesInvalid(changed));
            distributor.post(changed, signatures);
        }
        distributor.post(signed, signatures);
    }

    function test_only_one_root_is_pending_at_a_time() public {
        endEpoch(5);
        post(rootFor(0, 1, CAP));
        EpochRoot memory second = rootFor(2, 3, CAP);
        bytes memory signatures = signedBy(2, second);
        vm.expectRevert(abi.encodeWithSelector(Distributor.RootAlreadyPending.selector, uint64(0), uint64(1)));
        distributor.post(second, signatures);
    }

    function test_settled_epochs_are_refused() public {
        endEpoch(9);
        settle(rootFor(0, 3, CAP));
        for (uint64 first = 0; first < 4; ++first) {
            EpochRoot memory again = rootFor(first, first + 3, 2 * CAP);
            bytes memory signatures = signedBy(2, again);
            vm.expectRevert(
                abi.encodeWithSelector(Distributor.EpochAlreadySettled.selector, first, uint64(4))
            );
            distributor.post(again, signatures);
        }
        post(rootFor(4, 7, 2 * CAP));
    }

    function test_skipped_epochs_are_forfeited() public {
        endEpoch(9);
        settle(rootFor(4, 4, CAP));
        _refuse(rootFor(0, 3, 2 * CAP), abi.encodeWithSelector(Distributor.EpochAlreadySettled.selector, 0, 5));
        // Their caps can't be used by a later root either.
        _refuse(
            rootFor(5, 5, CAP + CAP + 1), abi.encodeWithSelector(Distributor.IncreaseAboveCap.selector, CAP + 1, CAP)
        );
    }

    function test_an_epoch_must_have_ended() public {
        uint256 end = distributor.endOf(2);
        vm.warp(end - 1);
        _refuse(
            rootFor(0, 2, CAP), abi.encodeWithSelector(Distributor.EpochNotEnded.selector, 2, end, end - 1)
        );
        vm.warp(end);
        post(rootFor(0, 2, CAP));
    }

    function test_the_range_is_one_to_epochs_per_root() public {
        endEpoch(9);
        _refuse(rootFor(3, 2, CAP), abi.encodeWithSelector(Distributor.EpochRangeInvalid.selector, 3, 2, 4));
        _refuse(rootFor(0, 4, CAP), abi.encodeWithSelector(Distributor.EpochRangeInvalid.selector, 0, 4, 4));
        post(rootFor(0, 3, CAP));
    }

    function test_the_total_never_falls() public {
        endEpoch(9);
        settle(rootFor(0, 0, CAP));
        _refuse(
            rootFor(1, 1, CAP - 1), abi.encodeWithSelector(Distributor.TotalDecreased.selector, CAP - 1, CAP)
        );
        post(rootFor(1, 1, CAP));
    }

    function test_a_root_across_the_halving_gets_the_sum_of_both_caps() public {
        endEpoch(11);
        uint256 cap = 2 * CAP + 2 * (CAP / 2);
        _refuse(
            rootFor(8, 11, cap + 1), abi.encodeWithSelector(Distributor.IncreaseAboveCap.selector, cap + 1, cap)
        );
        settle(rootFor(8, 11, cap));
        assertEq(token.totalSupply(), cap, "supply");
    }

    function testFuzz_the_increase_is_capped(uint64 first, uint64 length, uint256 increase) public {
        first = uint64(within(first, 0, 2600));
        length = uint64(within(length, 1, EPOCHS_PER_ROOT));
        uint256 cap;
        for (uint64 epoch = first; epoch < first + length; ++epoch) {
            cap += CAP >> (epoch / HALVING);
        }
        increase = within(increase, 0, 2 * cap + 1);
        endEpoch(first + length - 1);
        EpochRoot memory root = rootFor(first, first + length - 1, increase);
        if (increase > cap) {
            _refuse(root, abi.encodeWithSelector(Distributor.IncreaseAboveCap.selector, increase, cap));
        } else {
            settle(root);
            assertEq(token.totalSupply(), increase, "supply");
        }
    }

    function test_bad_parameters_are_refused_at_deployment() public {
        Parameters memory bad = parameters();
        bad.challengeWindow = EPOCHS_PER_ROOT * EPOCH_LENGTH;
        vm.expectRevert(abi.encodeWithSelector(Distributor.ChallengeWindowTooLong.selector, 240, 240));
        new Distributor(bad, attestors(1), 1, GUARDIAN);
        bad.challengeWindow = 0;
        vm.expectRevert(abi.encodeWithSelector(Distributor.ZeroParameter.selector, "challengeWindow"));
        new Distributor(bad, attestors(1), 1, GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(Distributor.ZeroParameter.selector, "guardian"));
        new Distributor(parameters(), attestors(1), 1, address(0));
        vm.expectPartialRevert(bytes4(keccak256("MultiSignerERC7913UnreachableThreshold(uint64,uint64)")));
        new Distributor(parameters(), attestors(1), 2, GUARDIAN);
        vm.expectPartialRevert(bytes4(keccak256("MultiSignerERC7913ZeroThreshold()")));
        new Distributor(parameters(), attestors(1), 0, GUARDIAN);
    }

    function _refuse(EpochRoot memory root, bytes memory reason) private {
        bytes memory signatures = signedBy(2, root);
        vm.expectRevert(reason);
        distributor.post(root, signatures);
    }

    function _signaturesInvalid(EpochRoot memory root) private view returns (bytes memory) {
        return abi.encodeWithSelector(Distributor.SignaturesInvalid.selector, distributor.digestOf(root));
    }
}

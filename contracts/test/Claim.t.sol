// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Distributor} from "../src/Distributor.sol";
import {EpochRoot, Claim} from "../src/Types.sol";
import {Network} from "./Network.sol";
import {vm, assertEq, within} from "./Vm.sol";

contract ClaimTest is Network {
    address constant ALICE = address(0xA);
    address constant BOB = address(0xB);

    function setUp() public {
        endEpoch(9);
        _settle(0, 30, 70);
    }

    function test_anyone_claims_for_anyone_and_the_account_is_paid() public {
        vm.prank(address(0xBEEF));
        distributor.claim(ALICE, 30, _proof(BOB, 70));
        assertEq(token.balanceOf(ALICE), 30, "paid");
        assertEq(distributor.claimed(ALICE), 30, "claimed");
    }

    function test_a_claim_pays_once() public {
        distributor.claim(ALICE, 30, _proof(BOB, 70));
        vm.expectRevert(abi.encodeWithSelector(Distributor.NothingToClaim.selector, ALICE, 30, 30));
        distributor.claim(ALICE, 30, _proof(BOB, 70));
        assertEq(token.balanceOf(ALICE), 30, "paid");
    }

    function test_a_later_root_pays_the_difference() public {
        distributor.claim(ALICE, 30, _proof(BOB, 70));
        _settle(1, 130, 80);
        distributor.claim(ALICE, 130, _proof(BOB, 80));
        assertEq(token.balanceOf(ALICE), 130, "paid");
        distributor.claim(BOB, 80, _proof(ALICE, 130));
        assertEq(token.balanceOf(address(distributor)), 0, "left");
    }

    function test_the_finalised_root_stays_claimable_while_another_is_pending() public {
        post(rootFor(1, 1, CAP));
        distributor.claim(ALICE, 30, _proof(BOB, 70));
        assertEq(token.balanceOf(ALICE), 30, "paid");
    }

    function testFuzz_a_wrong_amount_or_account_is_refused(address account, uint256 amount) public {
        vm.assume(!(account == ALICE && amount == 30));
        vm.expectRevert(abi.encodeWithSelector(Distributor.ProofInvalid.selector, account, amount));
        distributor.claim(account, amount, _proof(BOB, 70));
    }

    function test_a_batch_passes_over_what_is_already_paid() public {
        distributor.claim(ALICE, 30, _proof(BOB, 70));
        Claim[] memory claims = new Claim[](2);
        claims[0] = Claim(ALICE, 30, _proof(BOB, 70));
        claims[1] = Claim(BOB, 70, _proof(ALICE, 30));
        assertEq(distributor.claimMany(claims), 70, "paid now");
        assertEq(token.balanceOf(ALICE), 30, "alice");
        assertEq(token.balanceOf(BOB), 70, "bob");
    }

    function test_one_bad_proof_refuses_the_whole_batch() public {
        Claim[] memory claims = new Claim[](2);
        claims[0] = Claim(ALICE, 30, _proof(BOB, 70));
        claims[1] = Claim(BOB, 71, _proof(ALICE, 30));
        vm.expectRevert(abi.encodeWithSelector(Distributor.ProofInvalid.selector, BOB, 71));
        distributor.claimMany(claims);
        assertEq(token.balanceOf(ALICE), 0, "nothing paid");
    }

    function test_a_leaf_above_what_was_minted_cannot_be_paid() public {
        // Attestors signed a tree that promises more than its total.
        EpochRoot memory lying = _tree(1, 30, 1_000_000);
        lying.cumulativeTotal = 101;
        settle(lying);
        vm.expectPartialRevert(bytes4(keccak256("ERC20InsufficientBalance(address,uint256,uint256)")));
        distributor.claim(BOB, 1_000_000, _proof(ALICE, 30));
    }

    function _settle(uint64 epoch, uint256 alice, uint256 bob) private {
        settle(_tree(epoch, alice, bob));
    }

    function _tree(uint64 epoch, uint256 alice, uint256 bob) private pure returns (EpochRoot memory root) {
        root = rootFor(epoch, epoch, alice + bob);
        root.root = pair(leaf(ALICE, alice), leaf(BOB, bob));
    }

    function _proof(address other, uint256 amount) private pure returns (bytes32[] memory proof) {
        proof = new bytes32[](1);
        proof[0] = leaf(other, amount);
    }
}

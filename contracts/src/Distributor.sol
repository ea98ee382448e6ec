// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MultiSignerERC7913} from "@openzeppelin/contracts/utils/cryptography/signers/MultiSignerERC7913.sol";
import {EdgeproofToken} from "./EdgeproofToken.sol";
import {EmissionSchedule} from "./EmissionSchedule.sol";
import {Parameters, EpochRoot, PendingRoot, Claim} from "./Types.sol";

/// @title Mints what attested epochs earned, and pays it out
/// @notice A root goes through three steps: anyone posts it with the signatures of k of
/// n attestors; a challenge window passes, in which the guardian may veto it; anyone
/// finalises it, which mints exactly its increase.  Anyone may then claim for anyone.
///
/// What signatures can't do, however many: mint above the schedule, for an epoch that
/// has not ended, twice for one epoch, or for an epoch that was skipped.  Nobody has any
/// power here but the attestors (post) and the guardian (veto a pending root).
contract Distributor is EIP712, MultiSignerERC7913 {
    bytes32 public constant EPOCH_ROOT_TYPEHASH = keccak256(
        "EpochRoot(uint64 firstEpoch,uint64 lastEpoch,bytes32 root,uint256 cumulativeTotal,bytes32 dataHash)"
    );

    /// @notice After this many vetoes of the same epochs, all attestors together override the guardian.
    uint256 public constant VETOES_BEFORE_OVERRIDE = 2;

    EdgeproofToken public immutable token;
    /// @notice Unix time at which epoch 0 starts, in seconds.
    uint64 public immutable genesis;
    /// @notice Length of an epoch, in seconds.
    uint64 public immutable epochLength;
    /// @notice The most epochs that one root may cover.
    uint64 public immutable epochsPerRoot;
    /// @notice Seconds in which a pending root can be vetoed and not yet finalised.
    uint64 public immutable challengeWindow;
    /// @notice Number of epochs after which the cap per epoch halves.
    uint64 public immutable halvingInterval;
    /// @notice What epoch 0 may mint, in the token's smallest unit.
    uint256 public immutable initialEpochCap;
    /// @notice May veto a pending root, and nothing else.
    address public immutable guardian;

    /// @notice The first epoch that a new root may cover; what lies before is settled or forfeited.
    uint64 public nextEpoch;
    EpochRoot private _finalised;
    PendingRoot private _pending;

    /// @notice What was already paid to an account, in total.
    mapping(address account => uint256) public claimed;
    mapping(bytes32 range => uint256) private _vetoes;

    event RootPosted(
        uint64 indexed firstEpoch, uint64 indexed lastEpoch, bytes32 root, uint256 cumulativeTotal, bytes32 dataHash,
        uint64 challengeEndsAt, bool vetoable
    );
    event RootVetoed(uint64 indexed firstEpoch, uint64 indexed lastEpoch, bytes32 root, uint256 vetoes);
    event RootFinalised(
        uint64 indexed firstEpoch, uint64 indexed lastEpoch, bytes32 root, uint256 cumulativeTotal, uint256 minted
    );
    event Claimed(address indexed account, uint256 amount, uint256 cumulativeAmount);

    error ZeroParameter(string name);
    error ChallengeWindowTooLong(uint256 challengeWindow, uint256 timeBetweenRoots);
    error EpochAlreadySettled(uint64 firstEpoch, uint64 nextEpoch);
    error EpochRangeInvalid(uint64 firstEpoch, uint64 lastEpoch, uint64 epochsPerRoot);
    error EpochNotEnded(uint64 lastEpoch, uint256 endsAt, uint256 timestamp);
    error RootAlreadyPending(uint64 firstEpoch, uint64 lastEpoch);
    error TotalDecreased(uint256 cumulativeTotal, uint256 finalisedTotal);
    error IncreaseAboveCap(uint256 increase, uint256 cap);
    error SignaturesInvalid(bytes32 digest);
    error NoPendingRoot();
    error NotGuardian(address caller, address guardian);
    error ChallengeWindowClosed(uint256 endedAt, uint256 timestamp);
    error ChallengeWindowOpen(uint256 endsAt, uint256 timestamp);
    error RootNotVetoable(uint64 firstEpoch, uint64 lastEpoch, uint256 vetoes);
    error ProofInvalid(address account, uint256 cumulativeAmount);
    error NothingToClaim(address account, uint256 cumulativeAmount, uint256 claimed);

    /// @param attestors ERC-7913 signers: 20 bytes for an address (a key or an ERC-1271 contract).
    /// @param threshold_ How many of them must sign a root.
    constructor(Parameters memory parameters, bytes[] memory attestors, uint64 threshold_, address guardian_)
        EIP712("edgeproof", "1")
        MultiSignerERC7913(attestors, threshold_)
    {
        require(parameters.epochLength != 0, ZeroParameter("epochLength"));
        require(parameters.epochsPerRoot != 0, ZeroParameter("epochsPerRoot"));
        require(parameters.initialEpochCap != 0, ZeroParameter("initialEpochCap"));
        require(parameters.halvingInterval != 0, ZeroParameter("halvingInterval"));
        require(parameters.challengeWindow != 0, ZeroParameter("challengeWindow"));
        require(guardian_ != address(0), ZeroParameter("guardian"));
        // A longer window than the time between roots would let pending work pile up without end.
        uint256 timeBetweenRoots = uint256(parameters.epochsPerRoot) * parameters.epochLength;
        require(
            parameters.challengeWindow < timeBetweenRoots,
            ChallengeWindowTooLong(parameters.challengeWindow, timeBetweenRoots)
        );
        genesis = parameters.genesis;
        epochLength = parameters.epochLength;
        epochsPerRoot = parameters.epochsPerRoot;
        challengeWindow = parameters.challengeWindow;
        halvingInterval = parameters.halvingInterval;
        initialEpochCap = parameters.initialEpochCap;
        guardian = guardian_;
        token = new EdgeproofToken(
            parameters.tokenName,
            parameters.tokenSymbol,
            EmissionSchedule.total(parameters.initialEpochCap, parameters.halvingInterval)
        );
    }

    /// @notice Offer a root for the epochs `firstEpoch` to `lastEpoch`; anyone may call.
    /// @param signatures `abi.encode(bytes[] signers, bytes[] signatures)` over `digestOf(next)`,
    /// signers in ascending order of their keccak256.
    function post(EpochRoot calldata next, bytes calldata signatures) external {
        // 1. One root at a time.
        require(
            _pending.challengeEndsAt == 0,
            RootAlreadyPending(_pending.body.firstEpoch, _pending.body.lastEpoch)
        );
        // 2. Later epochs only: nothing is ever minted twice, and what was skipped is forfeited.
        require(next.firstEpoch >= nextEpoch, EpochAlreadySettled(next.firstEpoch, nextEpoch));
        // 3. At least one epoch, and not more than one root may cover.
        require(
            next.lastEpoch >= next.firstEpoch && next.lastEpoch - next.firstEpoch < epochsPerRoot,
            EpochRangeInvalid(next.firstEpoch, next.lastEpoch, epochsPerRoot)
        );
        // 4. Ended epochs only.
        uint256 endsAt = endOf(next.lastEpoch);
        require(block.timestamp >= endsAt, EpochNotEnded(next.lastEpoch, endsAt, block.timestamp));
        // 5. The increase stays within the caps of these very epochs.
        uint256 finalisedTotal = _finalised.cumulativeTotal;
        require(next.cumulativeTotal >= finalisedTotal, TotalDecreased(next.cumulativeTotal, finalisedTotal));
        uint256 increase = next.cumulativeTotal - finalisedTotal;
        uint256 cap = capOfRange(next.firstEpoch, next.lastEpoch);
        require(increase <= cap, IncreaseAboveCap(increase, cap));
        // 6. k of n attestors signed exactly this.
        bytes32 digest = digestOf(next);
        require(_rawSignatureValidation(digest, signatures), SignaturesInvalid(digest));

        // 7. After two vetoes of these epochs, all attestors together override the guardian.
        bool vetoable = vetoesOf(next.firstEpoch, next.lastEpoch) < VETOES_BEFORE_OVERRIDE
            || _countSigners(signatures) < getSignerCount();
        uint64 challengeEndsAt = uint64(block.timestamp) + challengeWindow;
        _pending = PendingRoot({body: next, challengeEndsAt: challengeEndsAt, vetoable: vetoable});
        emit RootPosted(
            next.firstEpoch, next.lastEpoch, next.root, next.cumulativeTotal, next.dataHash, challengeEndsAt, vetoable
        );
    }

    /// @notice Fell the pending root; its epochs may be posted again.
    function veto() external {
        require(msg.sender == guardian, NotGuardian(msg.sender, guardian));
        PendingRoot memory root = _requirePending();
        EpochRoot memory body = root.body;
        bytes32 range = _rangeKey(body.firstEpoch, body.lastEpoch);
        require(root.vetoable, RootNotVetoable(body.firstEpoch, body.lastEpoch, _vetoes[range]));
        require(
            block.timestamp < root.challengeEndsAt, ChallengeWindowClosed(root.challengeEndsAt, block.timestamp)
        );
        uint256 vetoes = ++_vetoes[range];
        delete _pending;
        emit RootVetoed(body.firstEpoch, body.lastEpoch, body.root, vetoes);
    }

    /// @notice After the challenge window, make the pending root the claimable one and mint its increase.
    function finalise() external {
        PendingRoot memory root = _requirePending();
        EpochRoot memory body = root.body;
        require(block.timestamp >= root.challengeEndsAt, ChallengeWindowOpen(root.challengeEndsAt, block.timestamp));
        uint256 increase = body.cumulativeTotal - _finalised.cumulativeTotal;
        nextEpoch = body.lastEpoch + 1;
        _finalised = body;
        delete _pending;
        emit RootFinalised(body.firstEpoch, body.lastEpoch, body.root, body.cumulativeTotal, increase);
        token.mint(address(this), increase);
    }

    /// @notice Pay `account` what it is owed under the finalised root; anyone may call for anyone.
    /// @param cumulativeAmount All that the account ever earned, as in its leaf.
    /// @return paid What was transferred now.
    function claim(address account, uint256 cumulativeAmount, bytes32[] calldata proof)
        external
        returns (uint256 paid)
    {
        paid = _claim(account, cumulativeAmount, proof);
        require(paid != 0, NothingToClaim(account, cumulativeAmount, claimed[account]));
    }

    /// @notice Many claims in one transaction.  An account that has nothing left to claim is passed
    /// over, so nobody can fell a batch by claiming for one of its accounts first.
    /// @return paid What was transferred now, to all of them.
    function claimMany(Claim[] calldata claims) external returns (uint256 paid) {
        for (uint256 i = 0; i < claims.length; ++i) {
            paid += _claim(claims[i].account, claims[i].cumulativeAmount, claims[i].proof);
        }
    }

    /// @notice What attestors sign: the EIP-712 digest of a root under this contract's domain.
    function digestOf(EpochRoot calldata root) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(
                abi.encode(
                    EPOCH_ROOT_TYPEHASH, root.firstEpoch, root.lastEpoch, root.root, root.cumulativeTotal, root.dataHash
                )
            )
        );
    }

    /// @notice The root under which claims are paid; all zero before the first one.
    function finalisedRoot() external view returns (EpochRoot memory) {
        return _finalised;
    }

    /// @notice The root in its challenge window; `challengeEndsAt` is zero when there is none.
    function pendingRoot() external view returns (PendingRoot memory) {
        return _pending;
    }

    /// @notice How often a root for exactly these epochs was vetoed.
    function vetoesOf(uint64 firstEpoch, uint64 lastEpoch) public view returns (uint256) {
        return _vetoes[_rangeKey(firstEpoch, lastEpoch)];
    }

    /// @notice The most that may be minted for one epoch.
    function capOf(uint64 epoch) external view returns (uint256) {
        return EmissionSchedule.capOf(initialEpochCap, halvingInterval, epoch);
    }

    /// @notice The most that may be minted for the epochs `first` to `last`, both included.
    function capOfRange(uint64 first, uint64 last) public view returns (uint256) {
        return EmissionSchedule.capOfRange(initialEpochCap, halvingInterval, first, last);
    }

    /// @notice Unix time at which an epoch ends, in seconds.
    function endOf(uint64 epoch) public view returns (uint256) {
        return genesis + (uint256(epoch) + 1) * epochLength;
    }

    function _claim(address account, uint256 cumulativeAmount, bytes32[] calldata proof)
        private
        returns (uint256 paid)
    {
        // Hashed twice, so that no inner node can be read as a leaf.
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(account, cumulativeAmount))));
        require(
            MerkleProof.verifyCalldata(proof, _finalised.root, leaf), ProofInvalid(account, cumulativeAmount)
        );
        uint256 before = claimed[account];
        if (cumulativeAmount <= before) return 0;
        paid = cumulativeAmount - before;
        claimed[account] = cumulativeAmount;
        emit Claimed(account, paid, cumulativeAmount);
        // Our own token: it returns true or reverts, and calls nobody.
        token.transfer(account, paid);
    }

    function _requirePending() private view returns (PendingRoot memory root) {
        root = _pending;
        require(root.challengeEndsAt != 0, NoPendingRoot());
    }

    function _countSigners(bytes calldata signatures) private pure returns (uint256) {
        (bytes[] memory signers,) = abi.decode(signatures, (bytes[], bytes[]));
        return signers.length;
    }

    function _rangeKey(uint64 firstEpoch, uint64 lastEpoch) private pure returns (bytes32) {
        return bytes32((uint256(firstEpoch) << 64) | lastEpoch);
    }
}

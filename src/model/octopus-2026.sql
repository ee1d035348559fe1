-- What an Octopus Server database of 2026 has beside the tables of octopus-spaces.sql, as the embedded server keeps it.
-- All of it is inferred: no schema after 2018 is public. The members are those of the vendor's public clients (August
-- 2026); that a type of document has a table of its name with Id, SpaceId, Name and JSON is what all known tables
-- have in common. A server that keeps a member in its JSON instead of a column is read as well.

ALTER TABLE [Channel] ADD COLUMN [Type] nvarchar(50) COLLATE NOCASE;
ALTER TABLE [Channel] ADD COLUMN [ParentEnvironmentId] nvarchar(50) COLLATE NOCASE;

ALTER TABLE [DeploymentEnvironment] ADD COLUMN [Type] nvarchar(50) COLLATE NOCASE;
ALTER TABLE [DeploymentEnvironment] ADD COLUMN [ParentEnvironmentId] nvarchar(50) COLLATE NOCASE;
ALTER TABLE [DeploymentEnvironment] ADD COLUMN [EnvironmentTags] nvarchar(-1) COLLATE NOCASE;

ALTER TABLE [Machine] ADD COLUMN [TargetTags] nvarchar(-1) COLLATE NOCASE;

ALTER TABLE [Project] ADD COLUMN [IsVersionControlled] bit;
ALTER TABLE [Project] ADD COLUMN [ProvisioningRunbookId] nvarchar(50) COLLATE NOCASE;
ALTER TABLE [Project] ADD COLUMN [DeprovisioningRunbookId] nvarchar(50) COLLATE NOCASE;
ALTER TABLE [Project] ADD COLUMN [ProjectTags] nvarchar(-1) COLLATE NOCASE;

ALTER TABLE [Runbook] ADD COLUMN [RunbookTags] nvarchar(-1) COLLATE NOCASE;

-- One template may have several values, each for some environments: the unique index of 2018 cannot be there.
DROP TABLE [TenantVariable];

CREATE TABLE [TenantVariable] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [TenantId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [EnvironmentId] nvarchar(50) COLLATE NOCASE,
  [EnvironmentIds] nvarchar(-1) COLLATE NOCASE,
  [OwnerId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [VariableTemplateId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [RelatedDocumentId] nvarchar(-1) COLLATE NOCASE,
  CONSTRAINT [PK_TenantVariable_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [Approval] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [ServerTaskApprovalId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [UserId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_Approval_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [ApprovalPolicy] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [IsDisabled] bit NOT NULL DEFAULT 0,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_ApprovalPolicy_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_ApprovalPolicyNameUnique] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [ArgoCDGateway] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_ArgoCDGateway_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [BuildInformation] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [PackageId] nvarchar(100) NOT NULL COLLATE NOCASE,
  [Version] nvarchar(349) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_BuildInformation_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [DeploymentFreeze] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [OwnerId] nvarchar(50) COLLATE NOCASE,
  [Start] datetimeoffset NOT NULL,
  [End] datetimeoffset NOT NULL,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_DeploymentFreeze_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [EnvironmentState] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [EnvironmentId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_EnvironmentState_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [GitHubAppConnection] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_GitHubAppConnection_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [KubernetesMonitor] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [MachineId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [InstallationId] uniqueidentifier NOT NULL,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_KubernetesMonitor_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [ParentEnvironment] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_ParentEnvironment_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_ParentEnvironmentNameUnique] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [PlatformHubAccount] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [AccountType] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_PlatformHubAccount_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_PlatformHubAccountNameUnique] UNIQUE ([Name])
);

CREATE TABLE [PlatformHubGitCredential] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_PlatformHubGitCredential_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_PlatformHubGitCredentialNameUnique] UNIQUE ([Name])
);

CREATE TABLE [PlatformHubPolicy] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Slug] nvarchar(200) NOT NULL COLLATE NOCASE,
  [Version] nvarchar(50) NOT NULL COLLATE NOCASE,
  [IsActive] bit NOT NULL DEFAULT 0,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_PlatformHubPolicy_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [PlatformHubVersionControlSettings] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_PlatformHubVersionControlSettings_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [ProjectLibraryVariableSet] (
  [ProjectId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [LibraryVariableSetId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_ProjectLibraryVariableSet] PRIMARY KEY ([ProjectId], [LibraryVariableSetId])
);

CREATE TABLE [RateLimitingPolicy] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_RateLimitingPolicy_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [RetentionPolicy] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [RetentionType] nvarchar(50) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_RetentionPolicy_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [ServerTaskApproval] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [ServerTaskId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_ServerTaskApproval_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [ServiceAccountOidcIdentity] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [ServiceAccountId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [Issuer] nvarchar(400) NOT NULL COLLATE NOCASE,
  [Subject] nvarchar(400) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_ServiceAccountOidcIdentity_Id] PRIMARY KEY ([Id])
);

-- The tables of an Octopus Server database since spaces (2019.1), as the embedded server keeps them.
-- The tables of octopus-2018.sql with SpaceId where a document lives in a space, its unique indexes per space, and
-- the tables that came with and after spaces. Team, Event, ServerTask and ScopedUserRole may belong to no space.

CREATE TABLE [Account] (
  [Id] nvarchar(210) NOT NULL COLLATE NOCASE,
  [AccountType] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [EnvironmentIds] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [TenantIds] nvarchar(-1) COLLATE NOCASE,
  [TenantTags] nvarchar(-1) COLLATE NOCASE,
  CONSTRAINT [PK_Account_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_AccountUniqueName] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [ActionTemplate] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [Version] int NOT NULL,
  [ActionType] nvarchar(50) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [CommunityActionTemplateId] nvarchar(50) COLLATE NOCASE,
  CONSTRAINT [PK_ActionTemplate_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_ActionTemplateUniqueName] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [ActionTemplateVersion] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [Version] int NOT NULL,
  [LatestActionTemplateId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [ActionType] nvarchar(50) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_ActionTemplateVersion_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_ActionTemplateVersionUniqueNameVersion] UNIQUE ([Name], [Version], [SpaceId])
);

CREATE TABLE [ApiKey] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [UserId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [ApiKeyHashed] nvarchar(200) NOT NULL COLLATE NOCASE,
  [Created] datetimeoffset NOT NULL,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_ApiKey_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_ApiKeyUnique] UNIQUE ([ApiKeyHashed])
);

CREATE TABLE [Artifact] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Filename] nvarchar(200) NOT NULL COLLATE NOCASE,
  [RelatedDocumentIds] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [Created] datetimeoffset NOT NULL,
  [ProjectId] nvarchar(50) COLLATE NOCASE,
  [EnvironmentId] nvarchar(50) COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [TenantId] nvarchar(50) COLLATE NOCASE,
  [ServerTaskId] nvarchar(50) COLLATE NOCASE,
  CONSTRAINT [PK_Artifact_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [Certificate] (
  [Id] varchar(210) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [Thumbprint] nvarchar(128) NOT NULL COLLATE NOCASE,
  [NotAfter] datetimeoffset(0) NOT NULL,
  [Subject] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [EnvironmentIds] nvarchar(-1) COLLATE NOCASE,
  [TenantIds] nvarchar(-1) COLLATE NOCASE,
  [TenantTags] nvarchar(-1) COLLATE NOCASE,
  [Archived] datetimeoffset(0),
  [Created] datetimeoffset(0) NOT NULL,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [DataVersion] timestamp,
  CONSTRAINT [PK_Certificate_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [Channel] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [ProjectId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [LifecycleId] nvarchar(50) COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [TenantTags] nvarchar(-1) COLLATE NOCASE,
  [DataVersion] timestamp,
  CONSTRAINT [PK_Channel_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_ChannelUniqueNamePerProject] UNIQUE ([Name], [ProjectId])
);

CREATE TABLE [CommunityActionTemplate] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [ExternalId] uniqueidentifier NOT NULL,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_CommunityActionTemplate_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_CommunityActionTemplateExternalId] UNIQUE ([ExternalId]),
  CONSTRAINT [UQ_CommunityActionTemplateName] UNIQUE ([Name])
);

CREATE TABLE [Configuration] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_Configuration_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [DashboardConfiguration] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [IncludedEnvironmentIds] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [IncludedProjectIds] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [IncludedTenantTags] nvarchar(-1) COLLATE NOCASE,
  [IncludedTenantIds] nvarchar(-1) COLLATE NOCASE,
  CONSTRAINT [PK_DashboardConfiguration_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [Deployment] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [Created] datetimeoffset NOT NULL,
  [EnvironmentId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [ProjectId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [ReleaseId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [TaskId] nvarchar(50) COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [DeployedBy] nvarchar(200) NOT NULL COLLATE NOCASE,
  [TenantId] nvarchar(50) COLLATE NOCASE,
  [DeployedToMachineIds] nvarchar(-1) COLLATE NOCASE,
  [ChannelId] nvarchar(50) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_Deployment_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [DeploymentEnvironment] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [SortOrder] int NOT NULL,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [DataVersion] timestamp,
  CONSTRAINT [PK_DeploymentEnvironment_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_DeploymentEnvironmentNameUnique] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [DeploymentHistory] (
  [DeploymentId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [DeploymentName] nvarchar(200) NOT NULL COLLATE NOCASE,
  [ProjectId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [ProjectName] nvarchar(200) NOT NULL COLLATE NOCASE,
  [ProjectSlug] nvarchar(210) NOT NULL COLLATE NOCASE,
  [EnvironmentId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [EnvironmentName] nvarchar(200) NOT NULL COLLATE NOCASE,
  [ReleaseId] nvarchar(150) NOT NULL COLLATE NOCASE,
  [ReleaseVersion] nvarchar(100) NOT NULL COLLATE NOCASE,
  [TaskId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [TaskState] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Created] datetimeoffset NOT NULL,
  [QueueTime] datetimeoffset NOT NULL,
  [StartTime] datetimeoffset,
  [CompletedTime] datetimeoffset,
  [DurationSeconds] int,
  [DeployedBy] nvarchar(200) COLLATE NOCASE,
  [TenantId] nvarchar(50) COLLATE NOCASE,
  [TenantName] nvarchar(200) COLLATE NOCASE,
  [ChannelId] nvarchar(50) COLLATE NOCASE,
  [ChannelName] nvarchar(200) COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_DeploymentHistory_DeploymentId] PRIMARY KEY ([DeploymentId])
);

CREATE TABLE [DeploymentProcess] (
  [Id] nvarchar(150) NOT NULL COLLATE NOCASE,
  [OwnerId] nvarchar(150) NOT NULL COLLATE NOCASE,
  [IsFrozen] bit NOT NULL,
  [Version] int NOT NULL,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [RelatedDocumentIds] nvarchar(-1) COLLATE NOCASE,
  CONSTRAINT [PK_DeploymentProcess_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [DeploymentRelatedMachine] (
  [Id] integer NOT NULL,
  [DeploymentId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [MachineId] nvarchar(50) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_DeploymentRelatedMachine] PRIMARY KEY ([Id]),
  CONSTRAINT [FK_DeploymentRelatedMachine_DeploymentId] FOREIGN KEY ([DeploymentId]) REFERENCES [Deployment] ([Id]) ON DELETE CASCADE
);

CREATE TABLE [DeploymentSettings] (
  [Id] nvarchar(150) NOT NULL COLLATE NOCASE,
  [ProjectId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_DeploymentSettings_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [Event] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [RelatedDocumentIds] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [ProjectId] nvarchar(50) COLLATE NOCASE,
  [EnvironmentId] nvarchar(50) COLLATE NOCASE,
  [Category] nvarchar(50) NOT NULL COLLATE NOCASE,
  [UserId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Username] nvarchar(200) NOT NULL COLLATE NOCASE,
  [Occurred] datetimeoffset NOT NULL,
  [Message] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [TenantId] nvarchar(50) COLLATE NOCASE,
  [AutoId] bigint NOT NULL,
  CONSTRAINT [PK_Event_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [EventRelatedDocument] (
  [Id] integer NOT NULL,
  [RelatedDocumentId] nvarchar(250) NOT NULL COLLATE NOCASE,
  [EventId] nvarchar(50) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_EventRelatedDocument] PRIMARY KEY ([Id]),
  CONSTRAINT [FK_EventRelatedDocument_EventId] FOREIGN KEY ([EventId]) REFERENCES [Event] ([Id]) ON DELETE CASCADE
);

CREATE TABLE [ExtensionConfiguration] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(1000) COLLATE NOCASE,
  [ExtensionAuthor] nvarchar(1000) COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_ExtensionConfiguration_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [Feed] (
  [Id] nvarchar(210) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [FeedUri] nvarchar(512) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [FeedType] nvarchar(50) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_Feed_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_FeedNameUnique] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [GitCredential] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_GitCredential_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_GitCredentialNameUnique] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [Interruption] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Created] datetimeoffset NOT NULL,
  [Title] nvarchar(200) NOT NULL COLLATE NOCASE,
  [Status] nvarchar(50) NOT NULL COLLATE NOCASE,
  [RelatedDocumentIds] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [ResponsibleTeamIds] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [ProjectId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [EnvironmentId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [TaskId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [TenantId] nvarchar(50) COLLATE NOCASE,
  CONSTRAINT [PK_Interruption_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [Invitation] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [InvitationCode] nvarchar(200) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_Invitation_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [KeyAllocation] (
  [CollectionName] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Allocated] int NOT NULL,
  CONSTRAINT [PK_KeyAllocation_CollectionName] PRIMARY KEY ([CollectionName])
);

CREATE TABLE [LibraryVariableSet] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [VariableSetId] nvarchar(150) COLLATE NOCASE,
  [ContentType] nvarchar(50) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_LibraryVariableSet_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_LibraryVariableSetNameUnique] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [Lifecycle] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [DataVersion] timestamp,
  CONSTRAINT [PK_Lifecycle_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_LifecycleNameUnique] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [Machine] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [IsDisabled] bit NOT NULL,
  [Roles] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [EnvironmentIds] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [MachinePolicyId] nvarchar(50) COLLATE NOCASE,
  [TenantIds] nvarchar(-1) COLLATE NOCASE,
  [TenantTags] nvarchar(-1) COLLATE NOCASE,
  [Thumbprint] nvarchar(50) COLLATE NOCASE,
  [Fingerprint] nvarchar(50) COLLATE NOCASE,
  [CommunicationStyle] nvarchar(50) NOT NULL COLLATE NOCASE,
  [DataVersion] timestamp,
  CONSTRAINT [PK_Machine_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_MachineNameUnique] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [MachinePolicy] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [IsDefault] bit NOT NULL DEFAULT 0,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_MachinePolicy_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_MachinePolicy] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [Mutex] (
  [Id] nvarchar(450) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_Mutex_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [NuGetPackage] (
  [Id] nvarchar(450) NOT NULL COLLATE NOCASE,
  [PackageId] nvarchar(100) NOT NULL COLLATE NOCASE,
  [Version] nvarchar(349) NOT NULL COLLATE NOCASE,
  [VersionMajor] int NOT NULL,
  [VersionMinor] int NOT NULL,
  [VersionBuild] int NOT NULL,
  [VersionRevision] int NOT NULL,
  [VersionSpecial] nvarchar(250) COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_NuGetPackage_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [OctopusServerInstallationHistory] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Node] nvarchar(200) COLLATE NOCASE,
  [Version] nvarchar(200) COLLATE NOCASE,
  [Installed] datetimeoffset NOT NULL,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE
);

CREATE TABLE [OctopusServerNode] (
  [Id] nvarchar(250) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [LastSeen] datetimeoffset NOT NULL,
  [Rank] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [MaxConcurrentTasks] int NOT NULL DEFAULT 5,
  [IsInMaintenanceMode] bit NOT NULL DEFAULT 0,
  CONSTRAINT [PK_OctopusServerNode_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [Project] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [Slug] nvarchar(210) NOT NULL COLLATE NOCASE,
  [IsDisabled] bit NOT NULL,
  [VariableSetId] nvarchar(150) COLLATE NOCASE,
  [DeploymentProcessId] nvarchar(50) COLLATE NOCASE,
  [ProjectGroupId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [LifecycleId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [AutoCreateRelease] bit NOT NULL,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [IncludedLibraryVariableSetIds] nvarchar(-1) COLLATE NOCASE,
  [DiscreteChannelRelease] bit NOT NULL DEFAULT 0,
  [DataVersion] timestamp,
  CONSTRAINT [PK_Project_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_ProjectNameUnique] UNIQUE ([Name], [SpaceId]),
  CONSTRAINT [UQ_ProjectSlugUnique] UNIQUE ([Slug], [SpaceId])
);

CREATE TABLE [ProjectGroup] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [DataVersion] timestamp,
  CONSTRAINT [PK_ProjectGroup_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_ProjectGroupNameUnique] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [ProjectTrigger] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [ProjectId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [TriggerType] nvarchar(50) COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [IsDisabled] bit NOT NULL DEFAULT 0,
  CONSTRAINT [PK_ProjectTrigger_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_ProjectTriggerNameUnique] UNIQUE ([ProjectId], [Name])
);

CREATE TABLE [Proxy] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_Proxy_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_ProxyNameUnique] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [RelatedDocument] (
  [Id] nvarchar(250) NOT NULL COLLATE NOCASE,
  [Table] varchar(40) NOT NULL COLLATE NOCASE,
  [RelatedDocumentId] nvarchar(250) NOT NULL COLLATE NOCASE,
  [RelatedDocumentTable] varchar(40) NOT NULL COLLATE NOCASE
);

CREATE TABLE [Release] (
  [Id] nvarchar(150) NOT NULL COLLATE NOCASE,
  [Version] nvarchar(100) NOT NULL COLLATE NOCASE,
  [Assembled] datetimeoffset NOT NULL,
  [ProjectId] nvarchar(150) NOT NULL COLLATE NOCASE,
  [ProjectVariableSetSnapshotId] nvarchar(150) NOT NULL COLLATE NOCASE,
  [ProjectDeploymentProcessSnapshotId] nvarchar(150) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [ChannelId] nvarchar(50) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_Release_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_ReleaseVersionUnique] UNIQUE ([Version], [ProjectId])
);

CREATE TABLE [Runbook] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [ProjectId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [RunbookProcessId] nvarchar(150) COLLATE NOCASE,
  [PublishedRunbookSnapshotId] nvarchar(50) COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [DataVersion] timestamp,
  CONSTRAINT [PK_Runbook_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_RunbookNameUniquePerProject] UNIQUE ([Name], [ProjectId])
);

CREATE TABLE [RunbookProcess] (
  [Id] nvarchar(150) NOT NULL COLLATE NOCASE,
  [ProjectId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [RunbookId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [IsFrozen] bit NOT NULL,
  [Version] int NOT NULL,
  [RelatedDocumentIds] nvarchar(-1) COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_RunbookProcess_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [RunbookRun] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [Created] datetimeoffset NOT NULL,
  [ProjectId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [EnvironmentId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [TenantId] nvarchar(50) COLLATE NOCASE,
  [RunbookId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [RunbookSnapshotId] nvarchar(150) NOT NULL COLLATE NOCASE,
  [FrozenRunbookProcessId] nvarchar(150) NOT NULL COLLATE NOCASE,
  [TaskId] nvarchar(50) COLLATE NOCASE,
  [DeployedBy] nvarchar(200) COLLATE NOCASE,
  [DeployedToMachineIds] nvarchar(-1) COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_RunbookRun_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [RunbookSnapshot] (
  [Id] nvarchar(150) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [Assembled] datetimeoffset NOT NULL,
  [ProjectId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [RunbookId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [FrozenRunbookProcessId] nvarchar(150) NOT NULL COLLATE NOCASE,
  [FrozenProjectVariableSetId] nvarchar(150) COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_RunbookSnapshot_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_RunbookSnapshotNameUnique] UNIQUE ([Name], [RunbookId])
);

CREATE TABLE [SchemaVersions] (
  [Id] integer NOT NULL,
  [ScriptName] nvarchar(255) NOT NULL COLLATE NOCASE,
  [Applied] datetime NOT NULL,
  CONSTRAINT [PK_SchemaVersions_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [ScopedUserRole] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [TeamId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [UserRoleId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_ScopedUserRole_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [ServerTask] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Description] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [QueueTime] datetimeoffset NOT NULL,
  [StartTime] datetimeoffset,
  [CompletedTime] datetimeoffset,
  [ErrorMessage] nvarchar(-1) COLLATE NOCASE,
  [ConcurrencyTag] nvarchar(100) COLLATE NOCASE,
  [State] nvarchar(50) NOT NULL COLLATE NOCASE,
  [HasPendingInterruptions] bit NOT NULL,
  [HasWarningsOrErrors] bit NOT NULL,
  [ServerNodeId] nvarchar(250) COLLATE NOCASE,
  [ProjectId] nvarchar(50) COLLATE NOCASE,
  [EnvironmentId] nvarchar(50) COLLATE NOCASE,
  [TenantId] nvarchar(50) COLLATE NOCASE,
  [DurationSeconds] int NOT NULL,
  [SpaceId] nvarchar(50) COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_ServerTask_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [Space] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [IsDefault] bit NOT NULL DEFAULT 0,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [DataVersion] timestamp,
  CONSTRAINT [PK_Space_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_SpaceNameUnique] UNIQUE ([Name])
);

CREATE TABLE [Subscription] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [Type] nvarchar(50) COLLATE NOCASE,
  [IsDisabled] bit NOT NULL DEFAULT 0,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_Subscription_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_SubscriptionNameUnique] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [TagSet] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [SortOrder] int NOT NULL,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [DataVersion] timestamp,
  CONSTRAINT [PK_TagSet_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_TagSetName] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [Team] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [MemberUserIds] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_Team_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_TeamNameUnique] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [Tenant] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [ProjectIds] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [TenantTags] nvarchar(-1) COLLATE NOCASE,
  [DataVersion] timestamp,
  CONSTRAINT [PK_Tenant_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_TenantName] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [TenantVariable] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [TenantId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [EnvironmentId] nvarchar(50) COLLATE NOCASE,
  [OwnerId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [VariableTemplateId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [RelatedDocumentId] nvarchar(-1) COLLATE NOCASE,
  CONSTRAINT [PK_TenantVariable_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_TenantVariable] UNIQUE ([TenantId], [OwnerId], [EnvironmentId], [VariableTemplateId])
);

CREATE TABLE [User] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Username] nvarchar(200) NOT NULL COLLATE NOCASE,
  [IsActive] bit NOT NULL,
  [IsService] bit NOT NULL,
  [IdentificationToken] uniqueidentifier NOT NULL,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [EmailAddress] nvarchar(400) COLLATE NOCASE,
  [ExternalId] nvarchar(400) COLLATE NOCASE,
  [ExternalIdentifiers] nvarchar(-1) COLLATE NOCASE,
  [DisplayName] nvarchar(200) COLLATE NOCASE,
  CONSTRAINT [PK_User_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_UserUsernameUnique] UNIQUE ([Username])
);

CREATE TABLE [UserRole] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_UserRole_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_UserRoleNameUnique] UNIQUE ([Name])
);

CREATE TABLE [VariableSet] (
  [Id] nvarchar(150) NOT NULL COLLATE NOCASE,
  [OwnerId] nvarchar(150) NOT NULL COLLATE NOCASE,
  [OwnerType] nvarchar(50) COLLATE NOCASE,
  [Version] int NOT NULL,
  [IsFrozen] bit NOT NULL,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [RelatedDocumentIds] nvarchar(-1) COLLATE NOCASE,
  CONSTRAINT [PK_VariableSet_Id] PRIMARY KEY ([Id])
);

CREATE TABLE [Worker] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [IsDisabled] bit NOT NULL,
  [WorkerPoolIds] nvarchar(-1) COLLATE NOCASE,
  [MachinePolicyId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Thumbprint] nvarchar(50) COLLATE NOCASE,
  [Fingerprint] nvarchar(50) COLLATE NOCASE,
  [CommunicationStyle] nvarchar(50) NOT NULL COLLATE NOCASE,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [DataVersion] timestamp,
  CONSTRAINT [PK_Worker_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_WorkerNameUnique] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [WorkerPool] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [SortOrder] int NOT NULL,
  [IsDefault] bit NOT NULL,
  [SpaceId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  [DataVersion] timestamp,
  CONSTRAINT [PK_WorkerPool_Id] PRIMARY KEY ([Id]),
  CONSTRAINT [UQ_WorkerPoolNameUnique] UNIQUE ([Name], [SpaceId])
);

CREATE TABLE [WorkerTaskLease] (
  [Id] nvarchar(50) NOT NULL COLLATE NOCASE,
  [WorkerId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [TaskId] nvarchar(50) NOT NULL COLLATE NOCASE,
  [Exclusive] bit NOT NULL DEFAULT 0,
  [Name] nvarchar(200) NOT NULL COLLATE NOCASE,
  [JSON] nvarchar(-1) NOT NULL COLLATE NOCASE,
  CONSTRAINT [PK_WorkerTaskLease_Id] PRIMARY KEY ([Id])
);
